//! Refusals of requests.

use super::code::ErrorCode;

/// The text in the frame that ends a subscription.
pub(super) const REVOKED_TEXT: &str = "the server has ended this subscription";

/// Why a request is refused. The message is for the client, and contains nothing internal.
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

    /// Creates the refusal of JSON that is not a request.
    pub(crate) fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::UnknownShape, message)
    }
}

/// Maximum length of a client's text that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 64;

/// Quotes and truncates a text of the client.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
