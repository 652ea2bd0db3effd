//! From a SeaORM write to an event.
//!
//! [`LiveConnection`] and [`LiveTransaction`] stand where SeaORM's own connection and transaction
//! stood. Every statement goes through them, and the [`hooks`] of a model run inside them: a
//! [`Plan`](plan::Plan) says how it is known what a statement writes, a [`Call`](statement::Call) runs it and
//! leaves its events in the [`Scope`]. A connection's scope publishes them at once, a transaction's keeps
//! them until it commits.

mod bulk;
mod connection;
mod database;
pub mod hooks;
mod scope;
mod sql;
mod statement;
mod transaction;

pub use self::{
    bulk::{LiveDatabase, LiveDeleteMany, LiveEntity, LiveFilter, LiveInsertMany, LiveUpdateMany},
    connection::{LiveConnection, stream::LiveStream},
    transaction::LiveTransaction,
};
pub(crate) use self::{database::Database, hooks::scope_of::install, scope::Scope};
