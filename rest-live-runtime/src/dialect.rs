//! What clients say and how they are answered, apart from any one way of writing it.

pub(crate) mod plain;

use crate::code::ErrorCode;

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    /// Label of the model.
    pub(crate) model: String,
    /// Name of the group key.
    pub(crate) group_key: String,
    /// Its value, as the client wrote it.
    pub(crate) value: serde_json::Value,
}

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Subscribe,
    Unsubscribe,
}

/// Why a request is not done, in words for the client: never anything internal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// Quotes what a client wrote, cut to a length that a message can bear.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
