//! From a SeaORM write to an event.
//!
//! [`LiveConnection`] and [`LiveTransaction`] stand where SeaORM's own connection and transaction
//! stood; the [`hooks`] of a model run inside them, find the [`Scope`] they write in, and leave
//! their events there. A connection's scope hands them to the log at once, a transaction's keeps
//! them until it commits.

mod connection;
mod delegate;
mod fold;
pub mod hooks;
mod probe;
mod scope;
mod stash;
mod transaction;

pub(crate) use self::scope::Scope;
pub use self::{connection::LiveConnection, transaction::LiveTransaction};
