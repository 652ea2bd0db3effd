//! One wire message to a client.

use std::fmt;

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// One encoded text message, shared by all its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Utf8Bytes);

impl Frame {
    pub(crate) fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the message.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the message as the websocket library takes it, without a copy.
    pub(crate) fn into_text(self) -> Utf8Bytes {
        self.0
    }
}

impl fmt::Debug for Frame {
    // The length only: payloads do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}
