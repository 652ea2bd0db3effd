//! Entries of the stream: events, and marks for lost events.

use redis::{ErrorKind, RedisError, RedisResult, Value, streams::StreamId};
use rest_live_runtime::{Entry, StoredEvent};

/// The field of an entry that contains an event.
pub(crate) const EVENT_FIELD: &str = "e";
/// The field of an entry that marks earlier events as lost.
pub(crate) const LOST_FIELD: &str = "lost";

/// The content of an entry.
pub(crate) enum StreamEntry {
    Event(StoredEvent),
    /// Earlier events are lost, and possibly the one in this entry.
    Lost,
}

impl StreamEntry {
    pub(crate) fn parse(entry: &StreamId) -> Self {
        let Some(text) = entry.get::<String>(EVENT_FIELD) else {
            return Self::Lost;
        };
        match serde_json::from_str(&text) {
            Ok(event) => Self::Event(event),
            Err(error) => {
                tracing::error!(
                    id = entry.id,
                    %error,
                    "an entry of the Redis stream cannot be parsed, so its event is lost: all \
                     subscribers receive a reset"
                );
                Self::Lost
            }
        }
    }
}

/// Returns the entry of an event. Its unit is the position of the last event that was appended with
/// it. Nodes of earlier versions do not write how many follow: then each event is a unit.
pub(crate) fn entry_of(position: u64, event: StoredEvent) -> Entry {
    let unit = position.saturating_add(event.following);
    Entry::stored(position, event).in_unit(unit)
}

/// Returns the size of the event in an entry.
pub(crate) fn entry_bytes(entry: &StreamId) -> usize {
    match entry.map.get(EVENT_FIELD) {
        Some(Value::BulkString(event)) => event.len(),
        _ => 0,
    }
}

/// Returns the position of an entry id: `0-7` has the position 7.
pub(crate) fn parse_position(id: &str) -> RedisResult<u64> {
    let number = id.strip_prefix("0-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| {
        let kind = ErrorKind::UnexpectedReturnType;
        RedisError::from((kind, "the entry id has an unexpected form", id.to_owned()))
    })
}
