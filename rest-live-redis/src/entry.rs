//! An entry of the stream: an event, or that events are lost.

use redis::{ErrorKind, RedisError, RedisResult, streams::StreamId};
use rest_live_runtime::StoredEvent;

/// The field of an entry that is an event.
pub(crate) const EVENT_FIELD: &str = "e";
/// The field of an entry that says that events before it are lost.
pub(crate) const LOST_FIELD: &str = "lost";

/// What an entry says.
pub(crate) enum StreamEntry {
    Event(StoredEvent),
    /// Events that came before are not known; nor is this one, if it was one.
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
                    "an entry of the log cannot be read: all subscribers are told to fetch again"
                );
                Self::Lost
            }
        }
    }
}

/// Returns the position that an id stands for: `0-7` is 7.
pub(crate) fn parse_position(id: &str) -> RedisResult<u64> {
    let number = id.strip_prefix("0-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| {
        let kind = ErrorKind::UnexpectedReturnType;
        RedisError::from((kind, "an id that is not of this log", id.to_owned()))
    })
}
