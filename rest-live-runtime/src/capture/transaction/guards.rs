//! What a transaction must record if an operation is dropped before it completes.
//!
//! A caller may drop the future of a statement, of a savepoint or of its commit, and then go on
//! with the transaction. It is unknown then whether the database carried the operation out.

use std::{mem, sync::Arc};

use crate::{
    capture::{EventSink, sink::schema::LevelSchema},
    publish::publisher::{Committed, resets_of},
};

/// Guards a statement that runs in a transaction. If it is dropped while armed, it resets the
/// models that the statement may have written.
pub(in crate::capture) struct StatementGuard<'s> {
    sink: &'s EventSink,
    /// Indices of the models that the statement may write; `None` once it has returned.
    models: Option<Vec<usize>>,
}

impl<'s> StatementGuard<'s> {
    pub(in crate::capture) fn new(sink: &'s EventSink, models: Vec<usize>) -> Self {
        Self {
            sink,
            models: Some(models),
        }
    }

    /// Notes that the statement has returned.
    pub(in crate::capture) fn disarm(mut self) {
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
    schema: LevelSchema,
    outer: Arc<EventSink>,
}

impl SavepointEvents {
    /// Takes the events of a savepoint.
    pub(super) fn new(savepoint: &EventSink, outer: Arc<EventSink>) -> Self {
        // Before the events: these close the level.
        let schema = savepoint.schema();
        Self {
            events: Some(savepoint.take_events()),
            schema,
            outer,
        }
    }

    /// Moves the events to the outer transaction: the savepoint was kept.
    pub(super) fn merge(mut self) {
        if let Some(events) = self.events.take() {
            self.outer.merge(events, mem::take(&mut self.schema));
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
            let mut schema = mem::take(&mut self.schema);
            schema.forget_tables();
            self.outer.merge(resets_of(events), schema);
        }
    }
}
