//! The models, serializers, filters and permissions that the application has registered, and how
//! rows of these models are read and written.
//!
//! `LiveBuilder::build` creates the [`Registry`](registry::Registry). Capture, the dispatcher and
//! the sessions look up models in it.

mod cast;
pub(crate) mod choices;
pub(crate) mod columns;
pub(crate) mod conflate;
pub(crate) mod declaration;
pub(crate) mod default_schema;
pub(crate) mod description;
pub(crate) mod filter;
pub(crate) mod key_column;
pub(crate) mod permission;
pub(crate) mod registration;
pub(crate) mod registry;
pub(crate) mod row_json;
pub(crate) mod row_reader;
pub(crate) mod table;
