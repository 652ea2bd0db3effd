//! What a transaction must record if an operation is dropped before it completes.
//!
//! A caller may drop the future of a statement, of a savepoint or of its commit, and then go on
//! with the transaction. It is unknown then whether the database carried the operation out.

use std::sync::Arc;

use crate::{
    capture::EventSink,
    publish::publisher::{Committed, resets_of},
};

/// Guards a statement that runs in a transaction. If it is dropped while armed, it resets the
/// models that the statement may have written.
pub(super) struct StatementGuard<'s> {
    sink: &'s EventSink,
    /// Indices of the models that the statement may write; `None` once it has returned.
    models: Option<Vec<usize>>,
}

impl<'s> StatementGuard<'s> {
    pub(super) fn new(sink: &'s EventSink, models: Vec<usize>) -> Self {
        Self {
            sink,
            models: Some(models),
        }
    }

    /// Notes that the statement has returned.
    pub(super) fn disarm(mut self) {
        self.models = None;
    }
}

impl Drop for StatementGuard<'_> {
    fn drop(&mut self) {
        if let Some(models) = self.models.take() {
            self.sink.note_possible_failure();
            self.sink.record_resets_later(&models);
        }
    }
}

/// Guards a savepoint that is being created. If it is dropped while armed, it notes that the outer
/// transaction may be rolled back.
pub(super) struct SavepointGuard<'s> {
    outer: &'s EventSink,
    has_begun: bool,
}

impl<'s> SavepointGuard<'s> {
    pub(super) fn new(outer: &'s EventSink) -> Self {
        Self {
            outer,
            has_begun: false,
        }
    }

    /// Notes that the savepoint exists.
    pub(super) fn disarm(mut self) {
        self.has_begun = true;
    }
}

impl Drop for SavepointGuard<'_> {
    fn drop(&mut self) {
        if !self.has_begun {
            self.outer.note_possible_rollback();
        }
    }
}

/// The events of a savepoint that is being released. If they are dropped, they become resets in the
/// outer transaction, because it is unknown whether the savepoint was kept.
pub(super) struct SavepointEvents {
    events: Option<Vec<Committed>>,
    outer: Arc<EventSink>,
}

impl SavepointEvents {
    pub(super) fn new(events: Vec<Committed>, outer: Arc<EventSink>) -> Self {
        Self {
            events: Some(events),
            outer,
        }
    }

    /// Moves the events to the outer transaction: the savepoint was kept.
    pub(super) fn merge(mut self) {
        if let Some(events) = self.events.take() {
            self.outer.buffer_events(events);
        }
    }

    /// Discards the events: the savepoint was not kept.
    pub(super) fn discard(mut self) {
        self.events = None;
    }
}

impl Drop for SavepointEvents {
    fn drop(&mut self) {
        if let Some(events) = self.events.take() {
            self.outer.buffer_events(resets_of(events));
        }
    }
}
