//! An event on its way into a log.

use std::{sync::Arc, time::UNIX_EPOCH};

use serde_json::value::{RawValue, to_raw_value};

use super::{Operation, StoredEvent};
use crate::{
    data::{
        cursor::Cursor,
        event::{Action, Event, EventKind, Row, RowChange},
    },
    model::{
        registry::{ModelEntry, Registry},
        row_json::ColumnError,
    },
    user_code,
};

/// The node that wrote an event, and the cursor that other nodes need to order the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// The name of the node, or `None` for a trigger.
    pub node: Option<Arc<str>>,
    /// The cursor up to which the node had read the log before the write began.
    pub began: Option<Cursor>,
}

/// An event to append to a log.
///
/// A log in this process keeps the event itself. A log outside the process writes the result of
/// [`store`](Self::store).
#[derive(Clone, Debug)]
pub struct Record {
    event: Event,
    source: EventSource,
    /// Encodes the rows; `None` if the event must not leave this process.
    registry: Option<Arc<Registry>>,
}

/// Creates a record for a log in this process. [`store`](Record::store) turns it into a reset,
/// because it cannot encode the rows.
impl From<Event> for Record {
    fn from(event: Event) -> Self {
        Self {
            event,
            source: EventSource::default(),
            registry: None,
        }
    }
}

impl Record {
    pub(crate) fn new(event: Event, source: EventSource, registry: Arc<Registry>) -> Self {
        Self {
            event,
            source,
            registry: Some(registry),
        }
    }

    /// Returns the event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event by value.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// Returns the event in the form for a log outside the process, without the secret columns.
    ///
    /// If a row cannot be encoded, the result is a reset of the model, and the application log
    /// contains an error.
    pub fn store(&self) -> StoredEvent {
        let Event {
            model,
            kind,
            scope,
            captured,
        } = &self.event;
        let since_epoch = captured.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut stored = StoredEvent {
            model: model.as_ref().to_owned(),
            operation: Operation::Reset,
            key: None,
            old: Vec::new(),
            new: None,
            scope: scope.as_ref().map(|scope| scope.as_str().to_owned()),
            captured: since_epoch.as_micros().try_into().unwrap_or(u64::MAX),
            node: self.source.node.as_deref().map(str::to_owned),
            began: self.source.began.as_ref().map(Cursor::to_string),
            following: 0,
        };
        let model = self
            .registry
            .as_ref()
            .and_then(|registry| registry.model_by_label(model));
        if let (EventKind::Row(change), Some(model)) = (kind, model) {
            // Reading a column may run the application's code.
            let rows = user_code::call(|| encode_rows(model, change));
            match rows.unwrap_or_else(|_| Err(ColumnError::panicked())) {
                Ok((old, new)) => {
                    stored.operation = match change.action {
                        Action::Created => Operation::Insert,
                        Action::Updated => Operation::Update,
                        Action::Deleted => Operation::Delete,
                    };
                    // This cannot fail: a key consists of booleans, integers and texts.
                    stored.key = to_raw_value(&change.key).ok();
                    (stored.old, stored.new) = (old, new);
                }
                Err(error) => tracing::error!(
                    model = &*model.label,
                    %error,
                    "a row could not be encoded for the event log: the model's subscribers receive a reset"
                ),
            }
        }
        stored
    }
}

type EncodedRows = (Vec<Box<RawValue>>, Option<Box<RawValue>>);

fn encode_rows(model: &ModelEntry, change: &RowChange) -> Result<EncodedRows, ColumnError> {
    let encode = |row: &Row| model.encode(row);
    let old = change.old.iter().map(encode).collect::<Result<_, _>>()?;
    Ok((old, change.new.as_ref().map(encode).transpose()?))
}
