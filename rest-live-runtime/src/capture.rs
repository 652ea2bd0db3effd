//! Captures SeaORM writes and turns them into events.
//!
//! [`LiveConnection`] and [`LiveTransaction`] replace SeaORM's own connection and transaction.
//! Every statement goes through them, and the [`hooks`] of a model run inside them:
//!
//! 1. A [`Plan`](statement::plan::Plan) decides how to find out what the statement writes.
//! 2. A [`Call`](statement::Call) runs the statement and leaves its events in the [`EventSink`].
//! 3. The sink of a connection publishes the events at once. The sink of a transaction buffers
//!    them until the transaction commits.

mod bulk;
mod connection;
mod database;
mod forward;
pub mod hooks;
mod schema;
mod sink;
mod sql;
mod statement;
mod transaction;

pub use self::{
    bulk::{LiveDatabase, LiveDeleteMany, LiveEntity, LiveFilter, LiveInsertMany, LiveUpdateMany},
    connection::{LiveConnection, stream::LiveStream},
    transaction::LiveTransaction,
};
pub(crate) use self::{database::Database, hooks::sink_of::set_plain_sink, sink::EventSink};
