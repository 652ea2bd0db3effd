//! Finds out what a statement writes by reading its text.
//!
//! SeaORM gives a connection the text and the values of a statement; its syntax tree is private.
//! So this module reads the text, only as far as capture needs it:
//!
//! * [`Effect`](effect::Effect) names the tables that any text may write.
//! * [`Dml`](dml::Dml) also names the columns that are set and returned, for a statement that
//!   SeaQuery built.
//! * [`OldRowsQuery`](old_rows::OldRowsQuery) reads the rows that an UPDATE is about to change.
//! * [`SchemaSwitch`] is how a text switches the schema of unqualified tables.
//! * [`cache::AnalysisCache`] keeps what was found out about a text. The rest of capture asks it.
//!
//! This is not a full parser. If a text could mean more than one thing, it names more tables
//! rather than fewer: an unneeded reset costs a refetch, but a missing one loses a change.
//!
//! A text does not show what triggers, functions and cascades of the database write, nor what is
//! written through a view.

pub(crate) mod cache;
mod dml;
mod effect;
mod lexer;
pub(crate) mod old_rows;
mod schema_switch;
mod settings;

pub(crate) use self::{
    dml::Verb,
    schema_switch::{SchemaSwitch, may_call_set_config},
    settings::{SettingChanges, Settings},
};

#[cfg(test)]
mod tests;
