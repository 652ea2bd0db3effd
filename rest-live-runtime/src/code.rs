//! The wire's codes: errors and closes, one table each.

/// What an error frame can say. The code on the wire follows HTTP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The message was not JSON.
    MalformedJson,
    /// The message was JSON, but no request.
    UnknownShape,
    /// The value cannot be the column's.
    BadValue,
    /// No model has this label.
    UnknownModel,
    /// The model is not subscribable by this key.
    UnknownGroupKey,
    /// What the client holds may be out of date: it should fetch the model again.
    Reset,
    /// The connection has as many subscriptions as it may have.
    TooManySubscriptions,
    /// The event log cannot be reached.
    Unavailable,
}

impl ErrorCode {
    /// Returns (`code`, `error`, `retry`) as they stand in the frame. `retry` says whether the same
    /// request may succeed later.
    pub const fn on_the_wire(self) -> (u16, &'static str, bool) {
        match self {
            Self::MalformedJson => (400, "malformed_json", false),
            Self::UnknownShape => (400, "unknown_shape", false),
            Self::BadValue => (400, "bad_value", false),
            Self::UnknownModel => (404, "unknown_model", false),
            Self::UnknownGroupKey => (404, "unknown_group_key", false),
            Self::Reset => (410, "reset", true),
            Self::TooManySubscriptions => (429, "too_many_subscriptions", true),
            Self::Unavailable => (503, "unavailable", true),
        }
    }
}

/// Why a connection is closed by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The server goes away; the client reconnects with jitter.
    GoingAway,
    /// The websocket protocol was broken (RFC 6455, section 7.4.1).
    Protocol,
    /// A binary frame: the wire is text.
    Unsupported,
    /// A text frame that is not UTF-8.
    NotUtf8,
    /// A message over [`Limits::message_bytes`](crate::Limits::message_bytes).
    TooBig,
    /// Nothing came from the client for two ping intervals.
    Silent,
    /// The client read too slowly, too often; it reconnects and fetches again.
    TooSlow,
}

impl CloseCode {
    /// Returns the close code and its reason as they stand in the close frame.
    pub const fn on_the_wire(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (1001, "going away"),
            Self::Protocol => (1002, "websocket protocol broken"),
            Self::Unsupported => (1003, "text frames only"),
            Self::NotUtf8 => (1007, "not UTF-8"),
            Self::TooBig => (1009, "message too big"),
            Self::Silent => (4408, "no traffic in time"),
            Self::TooSlow => (4508, "too slow"),
        }
    }
}
