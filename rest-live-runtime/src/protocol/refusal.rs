//! Why a request is refused.

use super::code::ErrorCode;

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

    pub(crate) fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::UnknownShape, message)
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
