//! The codes of the protocol: one table each for errors, closes and resets.

/// The cause in an error frame. The numeric codes follow those of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The message is not JSON.
    MalformedJson,
    /// The message is JSON, but not a request.
    UnknownShape,
    /// The column cannot hold the value.
    BadValue,
    /// The `id` is neither a number nor a string, or it is too long.
    BadId,
    /// The connection uses another dialect.
    WrongDialect,
    /// The `view_kwargs` of a 0.7 request select no group, or two with the same number of columns.
    UnknownViewKwargs,
    /// The connection has no user yet: the client must send `auth` first.
    Unauthenticated,
    /// The application did not accept the token, or it has expired.
    InvalidToken,
    /// The user may not subscribe to this group, or the token belongs to another scope.
    Forbidden,
    /// The server ended the subscription, because a new call of `authorize` denied it.
    Revoked,
    /// No model has this label.
    UnknownModel,
    /// The model is not subscribable by this key.
    UnknownGroupKey,
    /// The row does not exist, or the user may not see it.
    UnknownRow,
    /// No subscription has this `id`.
    UnknownId,
    /// A subscription with this `id` exists already.
    IdInUse,
    /// The client's rows may be out of date: it must fetch the model again.
    Reset,
    /// The cursor of a `sync` request is of another epoch of the event log, or ahead of it.
    UnknownCursor,
    /// The client exceeded [`Limits::max_subscriptions`](crate::Limits::max_subscriptions).
    TooManySubscriptions,
    /// The client exceeded [`Limits::message_rate`](crate::Limits::message_rate).
    TooManyMessages,
    /// The client exceeded [`Limits::resume_rate`](crate::Limits::resume_rate).
    TooManyResumes,
    /// Too many `sync` requests of the connection wait.
    TooManySyncs,
    /// The client exceeded [`Limits::auth_rate`](crate::Limits::auth_rate).
    TooManyAuths,
    /// The server failed; the application log has the cause.
    Internal,
    /// The server cannot reach the event log, or a check of a permission or of a token took longer
    /// than [`Limits::authorize_timeout`](crate::Limits::authorize_timeout).
    Unavailable,
}

impl ErrorCode {
    /// Returns the fields `code`, `error` and `retry` of the error frame. `retry` is true if the
    /// same request may succeed later.
    pub const fn fields(self) -> (u16, &'static str, bool) {
        match self {
            Self::MalformedJson => (400, "malformed_json", false),
            Self::UnknownShape => (400, "unknown_shape", false),
            Self::BadValue => (400, "bad_value", false),
            Self::BadId => (400, "bad_id", false),
            Self::WrongDialect => (400, "wrong_dialect", false),
            Self::UnknownViewKwargs => (400, "unknown_view_kwargs", false),
            Self::Unauthenticated => (401, "unauthenticated", false),
            Self::InvalidToken => (401, "invalid_token", false),
            Self::Forbidden => (403, "forbidden", false),
            Self::Revoked => (403, "revoked", false),
            Self::UnknownModel => (404, "unknown_model", false),
            Self::UnknownGroupKey => (404, "unknown_group_key", false),
            Self::UnknownRow => (404, "unknown_row", false),
            Self::UnknownId => (404, "unknown_id", false),
            Self::IdInUse => (409, "id_in_use", false),
            Self::Reset => (410, "reset", true),
            Self::UnknownCursor => (410, "unknown_cursor", false),
            Self::TooManySubscriptions => (429, "too_many_subscriptions", true),
            Self::TooManyMessages => (429, "too_many_messages", true),
            Self::TooManyResumes => (429, "too_many_resumes", true),
            Self::TooManySyncs => (429, "too_many_syncs", true),
            Self::TooManyAuths => (429, "too_many_auths", true),
            Self::Internal => (500, "internal_error", true),
            Self::Unavailable => (503, "unavailable", true),
        }
    }
}

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The server shuts down. The client should reconnect after a random delay.
    GoingAway,
    /// The client violated the websocket protocol (RFC 6455, section 7.4.1).
    Protocol,
    /// The client sent a binary frame. The protocol uses only text frames.
    Unsupported,
    /// The client sent a text frame that is not UTF-8.
    NotUtf8,
    /// The client sent a message longer than
    /// [`Limits::max_message_bytes`](crate::Limits::max_message_bytes).
    TooBig,
    /// The server failed; the application log has the cause.
    Internal,
    /// The client has no credentials, or wrong or expired ones. It should get new credentials, then
    /// reconnect.
    Unauthenticated,
    /// The application called [`Live::disconnect`](crate::Live::disconnect), or its sign-in
    /// refused this user. The client should not reconnect.
    Forbidden,
    /// The client sent nothing for [`Limits::idle_timeout`](crate::Limits::idle_timeout).
    Silent,
    /// The client exceeded [`Limits::message_rate`](crate::Limits::message_rate) by ten bursts, or
    /// the connection exceeds a limit on connections.
    TooMany,
    /// The server shuts down. It has sent `goodbye`, which contains a time window for reconnecting.
    Draining,
    /// The client read too slowly. It should reconnect and resume.
    TooSlow,
}

impl CloseCode {
    /// Returns the code and the reason of the close frame.
    pub const fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (1001, "going away"),
            Self::Protocol => (1002, "websocket protocol broken"),
            Self::Unsupported => (1003, "text frames only"),
            Self::NotUtf8 => (1007, "not UTF-8"),
            Self::TooBig => (1009, "message too big"),
            Self::Internal => (1011, "internal error"),
            Self::Unauthenticated => (4401, "unauthenticated"),
            Self::Forbidden => (4403, "forbidden"),
            Self::Silent => (4408, "no traffic in time"),
            Self::TooMany => (4429, "too many messages or connections"),
            Self::Draining => (4503, "draining"),
            Self::TooSlow => (4508, "too slow"),
        }
    }
}

/// Why a client's rows may be out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetReason {
    /// The log has started a new epoch.
    Epoch,
    /// The log no longer reaches back to the client's cursor.
    Expired,
    /// The client's cursor is ahead of the log.
    Ahead,
    /// The client missed more changes than the server replays.
    TooFar,
    /// The client was too slow, or this server was.
    Lagged,
    /// A server died and may have written changes that it did not publish.
    NodeLost,
    /// Unknown rows changed, or the user now sees the rows through another serializer.
    Bulk,
}

impl ResetReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Expired => "expired",
            Self::Ahead => "ahead",
            Self::TooFar => "too_far",
            Self::Lagged => "lagged",
            Self::NodeLost => "node_lost",
            Self::Bulk => "bulk",
        }
    }
}
