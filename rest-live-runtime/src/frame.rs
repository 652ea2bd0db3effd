//! One wire message.

use std::{fmt, time::SystemTime};

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// One text message to a client, encoded once and shared by all its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    text: Utf8Bytes,
    /// When the change was captured that it tells of; `None` for an answer.
    captured: Option<SystemTime>,
}

impl Frame {
    /// Returns what one client is told about itself: the answer to a request, a reset, a ping.
    pub(crate) fn answer(text: String) -> Self {
        Self {
            text: text.into(),
            captured: None,
        }
    }

    /// Returns what subscribers are told of a change.
    pub(crate) fn broadcast(text: String, captured: SystemTime) -> Self {
        Self {
            text: text.into(),
            captured: Some(captured),
        }
    }

    /// Returns the message.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    pub(crate) fn captured(&self) -> Option<SystemTime> {
        self.captured
    }

    /// Returns the message as the websocket library takes it, without a copy.
    pub(crate) fn into_text(self) -> Utf8Bytes {
        self.text
    }
}

impl fmt::Debug for Frame {
    // The length only: payloads do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.text.len())
    }
}
