//! The append-only sequence of events between capture and the dispatcher.
//!
//! Every event goes through it, on one node as on many. A backplane is an [`EventLog`] that
//! several nodes share; the default is [`MemoryLog`], a ring in this process.

mod arc;
mod memory;
mod record;
mod stored;

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use sea_orm::{DatabaseTransaction, DbErr};

pub use self::{
    memory::MemoryLog,
    record::{EventSource, Record},
    stored::{Operation, StoredEvent},
};
use crate::data::{cursor::Cursor, event::Event};

/// An append-only sequence of events.
///
/// Each event has a position, which grows in the order in which the log has them. What is told of one row is told in that
/// order. A log may show an event before one with a smaller position, if that one is of a transaction that has not
/// committed yet: see [`Tail::Entries`].
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Appends the events of one committed unit, in order and next to each other. A log that is away keeps them for a
    /// while and returns at once: a write waits for its append.
    ///
    /// # Errors
    /// [`LogError`] when they are lost; the write they come from stays done.
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>>;

    /// Returns the events from now on, without end: [`Tail::Begin`] comes first, and says from where. A hole
    /// is never passed over: it is a [`Tail::Reset`]. While nobody is subscribed it is polled ten times a second at
    /// most.
    fn tail(&self) -> BoxStream<'static, Tail>;

    /// Returns the place behind everything appended so far.
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be reached.
    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>>;

    /// Returns the events behind a place, ascending, the first `limit` of them: all that there are or will be between
    /// `after` and the last one returned, but for those of transactions that are not over. An empty answer is the end.
    ///
    /// # Errors
    /// [`ReadError`], never a part of what was asked for.
    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>>;

    /// Returns the head where it is known without asking anybody: in this process.
    fn known_head(&self) -> Option<Cursor> {
        None
    }

    /// Returns whether other processes append to it. Two of them may append in another order than they wrote in, so
    /// that rows which two wrote at once are read again; not where the log [is transactional](Self::transactional).
    fn is_shared(&self) -> bool {
        false
    }

    /// Says goodbye, once what was appended so far is in the log: other nodes of a shared log take one that ends without it for
    /// lost ([`Tail::NodeLost`]). What requests that are under way append after it is appended all the same.
    fn leave(&self) -> BoxFuture<'_, ()> {
        futures_util::future::ready(()).boxed()
    }

    /// Returns the log as one that is in the application's database, if it is.
    fn transactional(&self) -> Option<&dyn TransactionalLog> {
        None
    }
}

/// A log in the application's database: events are written in the transaction of the row change, and so committed, or
/// rolled back, with it.
pub trait TransactionalLog: EventLog {
    /// Writes events into an open transaction, behind the row changes that they are of.
    ///
    /// # Errors
    /// The database's: the transaction fails then as by any other statement.
    fn append_in<'t>(
        &'t self,
        transaction: &'t DatabaseTransaction,
        events: Vec<Record>,
    ) -> BoxFuture<'t, Result<(), DbErr>>;

    /// Says that a transaction with events has committed, so that the tails of all nodes look. It waits for nothing.
    fn committed(&self);

    /// Returns whether triggers write the events of a table, so that nobody else may.
    fn captures(&self, schema: Option<&str>, table: &str) -> bool {
        let _ = (schema, table);
        false
    }
}

/// What the tail of a log yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Tail {
    /// The place from which the tail goes on.
    Begin(Cursor),
    /// Events, by ascending positions.
    Entries {
        /// The events. Positions may be behind `watermark`, and of a later batch smaller than of this one, but not than
        /// its watermark.
        entries: Vec<Entry>,
        /// All up to here was yielded that will ever be there. It never goes back.
        watermark: Cursor,
    },
    /// Continuity is lost, the events up to this cursor are unknown: all subscribers fetch again. The log is there.
    Reset(Cursor),
    /// A node has died, and may have committed what it did not append: all subscribers fetch again, and go on from
    /// this cursor.
    NodeLost(Cursor),
    /// The log cannot be reached: for some seconds, and nobody knows until when.
    Away,
    /// The log is there again, and nothing was missed.
    Back,
}

/// An event and its position.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Where it is in the log.
    pub position: u64,
    /// The event.
    pub event: LoggedEvent,
}

/// An event as a log has it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoggedEvent {
    /// In this process.
    Event(Arc<Event>),
    /// As it was written.
    Stored(Arc<StoredEvent>),
}

impl Entry {
    /// Returns an entry of this process.
    pub fn new(position: u64, event: Arc<Event>) -> Self {
        Self {
            position,
            event: LoggedEvent::Event(event),
        }
    }

    /// Returns an entry that was read.
    pub fn stored(position: u64, event: StoredEvent) -> Self {
        Self {
            position,
            event: LoggedEvent::Stored(Arc::new(event)),
        }
    }
}

/// A log that cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the event log cannot be reached")]
pub struct LogError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl LogError {
    /// Wraps the error of the log's own client library.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Why a log does not say what is behind a place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The place is of another life of the log.
    #[error("the cursor is of another life of the log")]
    Epoch,
    /// What is behind the place is not kept any more.
    #[error("what is behind the cursor is not kept any more")]
    Expired,
    /// The place is behind the log's end.
    #[error("the cursor is ahead of the log")]
    Ahead,
    /// The log cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] LogError),
}
