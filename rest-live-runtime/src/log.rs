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

use std::{any, fmt, time::Instant};

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::watch;

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
/// are published in this order. If a transaction is still open, a log may yield later events first,
/// and the events of the transaction after its commit: see [`Tail::Entries`].
///
/// The events of one write or transaction are a *unit*, which clients receive together: see
/// [`Entry::unit`].
///
/// # Cancel safety
/// rest-live may drop the futures of [`head`](Self::head), [`read`](Self::read) and
/// [`leave`](Self::leave) before they complete.
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Appends the events of one committed write or transaction, in order and without other events
    /// between them.
    ///
    /// The application's write waits for this call. So if the server of the log cannot be reached,
    /// the log should queue the events and return at once.
    ///
    /// # Errors
    /// [`LogError`] if the events are lost. The write itself stays committed.
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>>;

    /// Returns the events from now on. The stream does not end.
    ///
    /// The first item is [`Tail::Begin`] with the cursor where it starts. The stream never skips an
    /// event silently: if events are missing, it yields [`Tail::Reset`]. While no client is
    /// subscribed, the stream is polled at most ten times per second.
    fn tail(&self) -> BoxStream<'static, Tail>;

    /// Returns the events from now on, like [`tail`](Self::tail). While `has_subscribers` is false,
    /// no client waits for an event, so a log that asks a server for events may ask rarely. When it
    /// becomes true, the stream must soon yield what it has not yielded.
    ///
    /// The default ignores `has_subscribers`.
    fn tail_while(&self, has_subscribers: watch::Receiver<bool>) -> BoxStream<'static, Tail> {
        let _ = has_subscribers;
        self.tail()
    }

    /// Returns a cursor that the log had reached when this process opened it, if the log knows one.
    ///
    /// Writes that begin before the tail yields [`Tail::Begin`] are ordered by it. Without it, each
    /// node of a shared log must read the rows of such writes again.
    fn opened_at(&self) -> Option<Cursor> {
        None
    }

    /// Returns the cursor after everything that has been appended so far.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be reached.
    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>>;

    /// Returns what the tail must have yielded so that nothing is missing that was committed before
    /// this call, on any node. A tail that waits must then read soon.
    ///
    /// The default is the [head](Self::head). A log whose head can be before a committed event,
    /// because an earlier transaction is still open, returns [`Present::Moment`].
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be reached.
    fn present(&self) -> BoxFuture<'_, Result<Present, LogError>> {
        self.head().map(|head| head.map(Present::Position)).boxed()
    }

    /// Returns a cursor at or after every event that this process appended or committed before this
    /// call; `None` if the log cannot know it now. It must return soon even if the server of the
    /// log cannot be reached.
    ///
    /// The default is the [head](Self::head).
    fn appended(&self) -> BoxFuture<'_, Option<Cursor>> {
        self.head().map(Result::ok).boxed()
    }

    /// Returns the first `limit` events after a cursor, in ascending order.
    ///
    /// The result is complete: between `after` and the last returned event there is no other event,
    /// and there will be none, except events of transactions that are still open. An empty result
    /// means the end of the log.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot return all requested events. It never returns only a part of
    /// them.
    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>>;

    /// Returns the name of the log for the application log. Default: the name of the type.
    fn name(&self) -> &'static str {
        let name = any::type_name::<Self>();
        let name = name.split('<').next().unwrap_or(name);
        name.rsplit(':').next().unwrap_or(name)
    }

    /// Returns the head if it is known without a request, because the log is in this process.
    fn known_head(&self) -> Option<Cursor> {
        None
    }

    /// Sets how many bytes of events the log may keep in the memory of this process: in a ring, or
    /// in a queue for a server that cannot be reached. `LiveBuilder::build` calls this method with
    /// half of the [memory budget](crate::LiveBuilder::memory_budget).
    ///
    /// If there are more, the log drops events, and readers of dropped events receive
    /// [`Tail::Reset`].
    fn set_memory_budget(&self, bytes: usize) {
        let _ = bytes;
    }

    /// Returns whether other processes append to the log.
    ///
    /// Two processes may append their events in another order than they wrote the rows. So if two
    /// processes write a row at the same time, rest-live reads the row again, unless the log [is
    /// transactional](Self::transactional).
    fn is_shared(&self) -> bool {
        false
    }

    /// Announces that this process is about to commit changes. If it dies before it has appended
    /// their events, the other nodes must receive [`Tail::NodeLost`].
    ///
    /// Returns a future if the announcement is not sent yet; the writes wait for it. It should
    /// complete soon even if the server of the log cannot be reached. rest-live calls this method
    /// only if the log is [shared](Self::is_shared) and not
    /// [transactional](Self::transactional), and before the first of several writes that overlap.
    fn begin_writes(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Retracts the announcement: every change that this process has committed was passed to
    /// [`append`](Self::append). Each call follows one of [`begin_writes`](Self::begin_writes). It
    /// does not wait.
    fn end_writes(&self) {}

    /// Waits until everything that was appended so far is in the log, and then leaves the log. A
    /// process that ends without this call loses nothing if all its events are in the log.
    ///
    /// After this call, the log must still accept events of requests that are running.
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
    /// The error of the database. The transaction then fails as after any other failed statement.
    fn append_in<'t>(
        &'t self,
        transaction: &'t DatabaseTransaction,
        events: Vec<Record>,
    ) -> BoxFuture<'t, Result<(), DbErr>>;

    /// Notifies the tails of all nodes that a transaction with events has committed. It returns at
    /// once.
    fn committed(&self);

    /// Returns whether triggers write the events of a table. If they do, rest-live does not write
    /// them.
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
    /// Events, in ascending order of their positions. A unit is in one item: the log waits until it
    /// has read all of it. Only a unit that is too large to wait for may be in several items, which
    /// then count as several units. Its entries are marked as [cut](Entry::is_cut).
    Entries {
        /// The events. Their positions may be past `watermark`. A later item may contain smaller
        /// positions than this item, but none up to this watermark.
        entries: Vec<Entry>,
        /// Every event up to this cursor has been yielded. The watermark never goes back.
        watermark: Cursor,
        /// A moment such that every event that was committed before it has been yielded, if the log
        /// knows one. Only logs whose [`present`](EventLog::present) is a
        /// [`Present::Moment`] need it.
        as_of: Option<Instant>,
    },
    /// The log can be reached, but some events up to this cursor are missing: all subscribers must
    /// fetch again.
    Reset(Cursor),
    /// A node died and may have committed changes that it did not append: all subscribers must
    /// fetch again, and continue from this cursor.
    NodeLost(Cursor),
    /// The log has been unreachable for some seconds.
    Away,
    /// The log can be reached again, and no event was missed.
    Back,
}

/// What a tail must have yielded so that nothing is missing that was committed until now. See
/// [`EventLog::present`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Present {
    /// Everything up to this cursor: the watermark must reach it.
    Position(Cursor),
    /// Everything that was committed before this moment: [`Tail::Entries`] must have an `as_of`
    /// that is not earlier.
    Moment(Instant),
}

/// The log cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the event log cannot be reached")]
pub struct LogError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl LogError {
    /// Creates an error from its cause, such as an error of the log's client library.
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
    #[error("the event log no longer has all events after the cursor")]
    Expired,
    /// The cursor is past the end of the log.
    #[error("the cursor is past the end of the event log")]
    Ahead,
    /// The log cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] LogError),
}
