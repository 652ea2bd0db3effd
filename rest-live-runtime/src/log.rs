//! The append-only sequence of events between capture and the dispatcher.
//!
//! Every event goes through it, on one node as on many. A backplane is an [`EventLog`] that
//! several nodes share; the default is [`MemoryLog`], a ring in this process.

mod memory;

use std::{fmt, sync::Arc};

use futures_util::{future::BoxFuture, stream::BoxStream};

pub use self::memory::MemoryLog;
use crate::{cursor::Cursor, event::Event};

/// An append-only sequence of events.
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Appends the events of one committed unit, in order and next to each other.
    ///
    /// # Errors
    /// [`LogError`] when they could not be appended; the write they come from stays done.
    fn append(&self, events: Vec<Event>) -> BoxFuture<'_, Result<(), LogError>>;

    /// Returns the events from now on, without end: [`Tail::Begin`] comes first, and says from where. A hole
    /// is never passed over: it is a [`Tail::Reset`]. While nobody is subscribed it is polled ten times a second at
    /// most.
    fn tail(&self) -> BoxStream<'static, Tail>;

    /// Returns the place behind everything appended so far.
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be reached.
    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>>;
}

/// What the tail of a log yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Tail {
    /// The place from which the tail goes on.
    Begin(Cursor),
    /// Events with their places, ascending.
    Entries(Vec<Entry>),
    /// Continuity is lost, the events up to this cursor are unknown: all subscribers fetch again.
    Reset(Cursor),
}

/// An event and its place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The place right behind the event: its own position is the last that is behind it.
    pub cursor: Cursor,
    /// The event.
    pub event: Arc<Event>,
}

impl Entry {
    /// Returns the entry of an event, with the place right behind it.
    pub fn new(cursor: Cursor, event: Arc<Event>) -> Self {
        Self { cursor, event }
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
