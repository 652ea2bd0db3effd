//! The event log: the append-only sequence of events between capture and the dispatcher.
//!
//! Every event goes through it, on one node and on many. Capture appends; the dispatcher follows
//! the tail. A backplane is an [`EventLog`] that several nodes share. The default is [`MemoryLog`],
//! a ring in this process.

mod arc;
mod entry;
mod memory;
mod record;
mod stored_event;

use std::fmt;

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use sea_orm::{DatabaseTransaction, DbErr};

pub use self::{
    entry::{Entry, LoggedEvent},
    memory::MemoryLog,
    record::{EventSource, Record},
    stored_event::{Operation, StoredEvent},
};
use crate::data::cursor::Cursor;

/// An append-only sequence of events.
///
/// Each event has a position. Positions grow in the order of the log, and the changes of one row
/// are published in this order. A log may yield an event before another one with a smaller
/// position, if the transaction of the other one has not committed yet: see [`Tail::Entries`].
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Appends the events of one committed write or transaction, in order and without other events
    /// between them.
    ///
    /// The write waits for this call. So a log that cannot be reached should keep the events for a
    /// while and return at once.
    ///
    /// # Errors
    /// [`LogError`] if the events are lost. The write itself stays committed.
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>>;

    /// Returns the events from now on. The stream does not end.
    ///
    /// The first item is [`Tail::Begin`] with the cursor where it starts. A gap is never skipped:
    /// it is a [`Tail::Reset`]. While no client is subscribed, the stream is polled at most ten
    /// times per second.
    fn tail(&self) -> BoxStream<'static, Tail>;

    /// Returns the cursor after everything that has been appended so far.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be reached.
    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>>;

    /// Returns the first `limit` events after a cursor, in ascending order.
    ///
    /// The result is complete: between `after` and the last returned event there is no other event,
    /// and there will be none, except events of transactions that are still open. An empty result
    /// means the end of the log.
    ///
    /// # Errors
    /// [`ReadError`]. The result is never a part of the requested events.
    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>>;

    /// Returns the head if it is known without a request, because the log is in this process.
    fn known_head(&self) -> Option<Cursor> {
        None
    }

    /// Returns whether other processes append to the log.
    ///
    /// Two processes may append in another order than they wrote. So rows that two processes write
    /// at once are read again, unless the log [is transactional](Self::transactional).
    fn is_shared(&self) -> bool {
        false
    }

    /// Signs off, after everything that has been appended so far is in the log.
    ///
    /// The other nodes of a shared log treat a node that ends without this call as dead
    /// ([`Tail::NodeLost`]). Events that running requests append later are still accepted.
    fn leave(&self) -> BoxFuture<'_, ()> {
        futures_util::future::ready(()).boxed()
    }

    /// Returns the log as a [`TransactionalLog`], if it is in the application's database.
    fn transactional(&self) -> Option<&dyn TransactionalLog> {
        None
    }
}

/// A log in the application's database.
///
/// Events are written in the transaction of the row change, so they are committed or rolled back
/// with it.
pub trait TransactionalLog: EventLog {
    /// Writes events into an open transaction, after the row changes that they describe.
    ///
    /// # Errors
    /// The database's error. The transaction fails as after any other failed statement.
    fn append_in<'t>(
        &'t self,
        transaction: &'t DatabaseTransaction,
        events: Vec<Record>,
    ) -> BoxFuture<'t, Result<(), DbErr>>;

    /// Notifies the tails of all nodes that a transaction with events has committed. It returns at
    /// once.
    fn committed(&self);

    /// Returns whether triggers write the events of a table. Then capture must not write them.
    fn captures(&self, schema: Option<&str>, table: &str) -> bool {
        let _ = (schema, table);
        false
    }
}

/// An item of a log's tail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Tail {
    /// The cursor after which the tail starts.
    Begin(Cursor),
    /// Events, in ascending order of their positions.
    Entries {
        /// The events. Their positions may be past `watermark`. A later item may have smaller
        /// positions than this one, but only positions past this watermark.
        entries: Vec<Entry>,
        /// Every event up to this cursor has been yielded. The watermark never goes back.
        watermark: Cursor,
    },
    /// The log can be reached, but events up to this cursor are unknown: all subscribers must fetch
    /// again.
    Reset(Cursor),
    /// A node died and may have committed changes that it did not append: all subscribers must
    /// fetch again, and continue from this cursor.
    NodeLost(Cursor),
    /// The log has been unreachable for some seconds.
    Away,
    /// The log can be reached again, and no event was missed.
    Back,
}

/// The log cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the event log cannot be reached")]
pub struct LogError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl LogError {
    /// Wraps the error of the log's own client library.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Why a log cannot return the events after a cursor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The cursor belongs to another epoch of the log.
    #[error("the cursor belongs to another epoch of the event log")]
    Epoch,
    /// The log no longer has all events after the cursor.
    #[error("the event log no longer reaches back to the cursor")]
    Expired,
    /// The cursor is past the end of the log.
    #[error("the cursor is ahead of the event log")]
    Ahead,
    /// The log cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] LogError),
}
