//! The content of an event, in a form that can be compared before and after its way through a log.

use std::sync::Arc;

use super::item::{NODE, began, entity, registry};
use crate::{
    data::{
        event::{Action, Event, Row},
        key::KeyValue,
        scope::Scope,
    },
    log::{LoggedEvent, Record},
};

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventValue {
    model: Arc<str>,
    scope: Option<Scope>,
    /// `None` for a reset.
    change: Option<(Action, KeyValue)>,
    old: Vec<entity::Model>,
    new: Option<entity::Model>,
}

impl EventValue {
    fn new(event: &Event) -> Self {
        let model = |row: &Row| row.downcast::<entity::Model>().cloned();
        let change = event.as_row();
        Self {
            model: Arc::clone(&event.model),
            scope: event.scope.clone(),
            change: change.map(|change| (change.action, change.key.clone())),
            old: change.map_or_else(Vec::new, |change| {
                let old = change.old.iter().map(model);
                old.map(|old| old.expect("a row of the contract suite"))
                    .collect()
            }),
            new: change.and_then(|change| change.new.as_ref().and_then(model)),
        }
    }

    /// Returns the values of the events in records.
    pub(super) fn from_records(records: &[Record]) -> Vec<Self> {
        records
            .iter()
            .map(|record| Self::new(record.event()))
            .collect()
    }

    /// Returns the value of an event that a log yields. Asserts that a stored event kept its
    /// source.
    pub(super) fn from_logged(logged: &LoggedEvent) -> Self {
        let (event, source) = logged.resolve(registry());
        if let LoggedEvent::Stored(_) = logged {
            assert_eq!(source.node.as_deref(), Some(NODE));
            assert_eq!(source.began, Some(began()));
        }
        Self::new(&event)
    }

    /// Returns the id of the row and its new state.
    pub(super) fn row_and_state(&self) -> (i32, i32) {
        let new = self.new.as_ref().expect("the event has a new row");
        (new.id, new.state)
    }
}
