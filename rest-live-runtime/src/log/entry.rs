//! An event on its way out of a log.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;

use super::{EventSource, Operation, StoredEvent};
use crate::{
    data::{
        cursor::{Cursor, Epoch, ParseCursorError},
        event::{Action, Event, EventKind, RowChange},
        scope::Scope,
    },
    model::{
        registry::{ModelEntry, Registry},
        row_json::EncodedBy,
    },
    user_code,
};

/// An event and its position in a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The position of the event.
    pub position: u64,
    /// The event.
    pub event: LoggedEvent,
    /// The unit of the event: entries with the same number were committed together, by one write or
    /// one transaction. The numbers mean nothing else: they need not ascend.
    pub unit: u64,
    /// Whether the log may yield its unit in parts, because it is too large to wait for.
    pub is_cut: bool,
}

/// An event in the form in which a log yields it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoggedEvent {
    /// An event that never left this process.
    Event(Arc<Event>),
    /// An event that was read from outside the process.
    Stored(Arc<StoredEvent>),
}

impl Entry {
    /// Creates the entry of an event that never left this process. It is a unit of its own.
    pub fn new(position: u64, event: Arc<Event>) -> Self {
        Self {
            position,
            event: LoggedEvent::Event(event),
            unit: position,
            is_cut: false,
        }
    }

    /// Creates the entry of an event that was read from outside the process. It is a unit of its
    /// own.
    pub fn stored(position: u64, event: StoredEvent) -> Self {
        Self {
            position,
            event: LoggedEvent::Stored(Arc::new(event)),
            unit: position,
            is_cut: false,
        }
    }

    /// Sets the [unit](Self::unit).
    #[must_use]
    pub fn in_unit(self, unit: u64) -> Self {
        Self { unit, ..self }
    }

    /// Sets that its unit [may be in parts](Self::is_cut).
    #[must_use]
    pub fn cut(self) -> Self {
        Self {
            is_cut: true,
            ..self
        }
    }
}

impl LoggedEvent {
    /// Returns whether a trigger wrote the event: one for each statement of a transaction.
    pub(crate) fn is_from_trigger(&self) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Stored(stored) => stored.node.is_none(),
        }
    }

    /// Returns the event and its source.
    ///
    /// If a stored event cannot be decoded, this is an error in the application log, and the result
    /// is a reset of the model.
    pub(crate) fn resolve(&self, registry: &Registry) -> (Arc<Event>, EventSource) {
        let stored = match self {
            Self::Event(event) => return (Arc::clone(event), EventSource::default()),
            Self::Stored(stored) => stored,
        };
        let source = EventSource {
            node: stored.node.as_deref().map(Arc::from),
            began: stored.began.as_ref().map(|began| {
                // A malformed cursor counts as one of another epoch.
                began.parse().unwrap_or_else(|ParseCursorError| Cursor {
                    epoch: Epoch::random(),
                    position: 0,
                })
            }),
        };
        let captured = UNIX_EPOCH
            .checked_add(Duration::from_micros(stored.captured))
            .unwrap_or_else(SystemTime::now);
        let scope = stored.scope.as_deref().map(Scope::from);
        let Some(model) = registry.model_by_label(&stored.model) else {
            // A model of other nodes: no client of this node can subscribe to it.
            registry.report_namesake(&stored.model);
            let event = Event {
                scope,
                captured,
                ..Event::reset(stored.model.as_str().into())
            };
            return (Arc::new(event), source);
        };
        // Setting a column may run the application's code.
        let kind = user_code::call(|| decode(model, stored))
            .unwrap_or_else(|panic| Err(panic.to_string()))
            .unwrap_or_else(|error| {
                tracing::error!(
                    model = &*model.label,
                    error,
                    "an event in the event log could not be decoded: the model's subscribers receive a reset"
                );
                EventKind::Reset
            });
        let event = Event {
            model: Arc::clone(&model.label),
            kind,
            scope: scope.filter(|_| !model.is_shared()),
            captured,
        };
        (Arc::new(event), source)
    }
}

fn decode(model: &ModelEntry, stored: &StoredEvent) -> Result<EventKind, String> {
    let action = match stored.operation {
        Operation::Insert => Action::Created,
        Operation::Update => Action::Updated,
        Operation::Delete => Action::Deleted,
        Operation::Reset => return Ok(EventKind::Reset),
    };
    let encoded_by = match stored.node {
        Some(_) => EncodedBy::Server,
        None => EncodedBy::Trigger,
    };
    let decode_row = |row: &RawValue| {
        model
            .decode(row, encoded_by)
            .map_err(|error| error.to_string())
    };
    let old = stored
        .old
        .iter()
        .map(|row| decode_row(row))
        .collect::<Result<Vec<_>, _>>()?;
    let new = stored.new.as_deref().map(decode_row).transpose()?;
    let key = match (&stored.key, new.as_ref().or(old.last())) {
        (Some(key), _) => {
            let json: serde_json::Value =
                serde_json::from_str(key.get()).map_err(|_| "the key of the event is not JSON")?;
            model.read_key(&json)
        }
        (None, Some(row)) => model.key_of(row),
        (None, None) => None,
    };
    let key = key.ok_or("the event has no key")?;
    Ok(EventKind::Row(RowChange {
        action,
        key,
        old,
        new,
    }))
}
