//! An event on its way into a log, and back out of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::value::{RawValue, to_raw_value};

use super::{LoggedEvent, Operation, StoredEvent};
use crate::{
    data::{
        cursor::{Cursor, Epoch, ParseCursorError},
        event::{Action, Event, EventKind, Row, RowChange},
    },
    model::{
        registry::{ModelEntry, Registry},
        row_json::ColumnError,
    },
    user_code,
};

/// Where an event comes from: what other nodes have to know about its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// The node.
    pub node: Option<Arc<str>>,
    /// Up to where the node had read the log before the write began.
    pub began: Option<Cursor>,
}

/// An event that a log is to append. A log in this process keeps the event; one outside writes what
/// [`store`](Self::store) returns.
#[derive(Clone, Debug)]
pub struct Record {
    event: Event,
    origin: EventSource,
    /// None where the event is not to leave this process.
    registry: Option<Arc<Registry>>,
}

/// An event that does not leave this process: [`store`](Record::store) does not know how to write its rows.
impl From<Event> for Record {
    fn from(event: Event) -> Self {
        Self {
            event,
            origin: EventSource::default(),
            registry: None,
        }
    }
}

impl Record {
    pub(crate) fn new(event: Event, origin: EventSource, registry: Arc<Registry>) -> Self {
        Self {
            event,
            origin,
            registry: Some(registry),
        }
    }

    /// Returns the event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Takes the event out.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// Returns the event as it is written outside of the process, without the columns that are secret. A row that cannot be
    /// written is an error in the application's log, and the event that of rows which are not known.
    pub fn store(&self) -> StoredEvent {
        let Event {
            model,
            kind,
            captured,
        } = &self.event;
        let since = captured.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut stored = StoredEvent {
            model: model.as_ref().to_owned(),
            operation: Operation::Reset,
            key: None,
            old: Vec::new(),
            new: None,
            captured: since.as_micros().try_into().unwrap_or(u64::MAX),
            node: self.origin.node.as_deref().map(str::to_owned),
            began: self.origin.began.as_ref().map(Cursor::to_string),
        };
        let registry = self.registry.as_ref();
        let model = registry.and_then(|registry| registry.model_by_label(model));
        if let (EventKind::Row(change), Some(model)) = (kind, model) {
            // To read a column is the application's code.
            let rows = user_code::call(|| rows(model, change));
            match rows.unwrap_or_else(|_| Err(ColumnError::panicked())) {
                Ok((old, new)) => {
                    stored.operation = match change.action {
                        Action::Created => Operation::Insert,
                        Action::Updated => Operation::Update,
                        Action::Deleted => Operation::Delete,
                    };
                    // A key is numbers and texts.
                    stored.key = to_raw_value(&change.key).ok();
                    (stored.old, stored.new) = (old, new);
                }
                Err(error) => tracing::error!(
                    model = &*model.label,
                    %error,
                    "a row cannot be written to the log: its model's subscribers are told to fetch again"
                ),
            }
        }
        stored
    }
}

type Rows = (Vec<Box<RawValue>>, Option<Box<RawValue>>);

fn rows(model: &ModelEntry, change: &RowChange) -> Result<Rows, ColumnError> {
    let encode = |row: &Row| model.encode(row);
    let old = change.old.iter().map(encode).collect::<Result<_, _>>()?;
    Ok((old, change.new.as_ref().map(encode).transpose()?))
}

impl LoggedEvent {
    /// Returns the event and where it comes from. What cannot be read is an error in the application's log, and the event
    /// that of rows which are not known.
    pub(crate) fn resolve(&self, registry: &Registry) -> (Arc<Event>, EventSource) {
        let stored = match self {
            Self::Event(event) => return (Arc::clone(event), EventSource::default()),
            Self::Stored(stored) => stored,
        };
        let origin = EventSource {
            node: stored.node.as_deref().map(Arc::from),
            began: stored.began.as_ref().map(|began| {
                // What is none is of no life of the log.
                began.parse().unwrap_or_else(|ParseCursorError| Cursor {
                    epoch: Epoch::random(),
                    position: 0,
                })
            }),
        };
        let captured = UNIX_EPOCH.checked_add(Duration::from_micros(stored.captured));
        let captured = captured.unwrap_or_else(SystemTime::now);
        let Some(model) = registry.model_by_label(&stored.model) else {
            // Nobody here subscribes to it.
            let model = stored.model.as_str().into();
            let event = Event {
                captured,
                ..Event::reset(model)
            };
            return (Arc::new(event), origin);
        };
        // To set a column is the application's code.
        let kind = user_code::call(|| read(model, stored));
        let kind = kind.unwrap_or_else(|panicked| Err(panicked.to_string()));
        let kind = kind.unwrap_or_else(|error| {
            tracing::error!(
                model = &*model.label,
                error,
                "an event in the log cannot be read: its model's subscribers are told to fetch again"
            );
            EventKind::Reset
        });
        let event = Event {
            model: Arc::clone(&model.label),
            kind,
            captured,
        };
        (Arc::new(event), origin)
    }
}

fn read(model: &ModelEntry, stored: &StoredEvent) -> Result<EventKind, String> {
    let action = match stored.operation {
        Operation::Insert => Action::Created,
        Operation::Update => Action::Updated,
        Operation::Delete => Action::Deleted,
        Operation::Reset => return Ok(EventKind::Reset),
    };
    let decode = |row: &RawValue| model.decode(row).map_err(|error| error.to_string());
    let old = stored.old.iter().map(|row| decode(row));
    let old = old.collect::<Result<Vec<_>, _>>()?;
    let new = stored.new.as_deref().map(decode).transpose()?;
    let key = match (&stored.key, new.as_ref().or(old.last())) {
        (Some(key), _) => {
            let json: serde_json::Value =
                serde_json::from_str(key.get()).map_err(|_| "its key is no JSON")?;
            model.read_key(&json)
        }
        (None, Some(row)) => model.key_of(row),
        (None, None) => None,
    };
    let key = key.ok_or("it has no key")?;
    Ok(EventKind::Row(RowChange {
        action,
        key,
        old,
        new,
    }))
}
