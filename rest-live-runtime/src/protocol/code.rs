//! The wire's codes: errors, closes and reasons, one table each.

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
    /// The `id` is neither a number nor a string, or too long.
    BadId,
    /// The connection speaks another dialect.
    WrongDialect,
    /// The `view_kwargs` of a 0.7 request name no group key, or several.
    UnknownViewKwargs,
    /// This user may not subscribe to this group.
    Forbidden,
    /// The subscription was granted, and is taken back.
    Revoked,
    /// No model has this label.
    UnknownModel,
    /// The model is not subscribable by this key.
    UnknownGroupKey,
    /// There is no such row, or none that this user may see.
    UnknownRow,
    /// No subscription has this `id`.
    UnknownId,
    /// The `id` names a subscription already.
    IdInUse,
    /// What the client holds may be out of date: it should fetch the model again.
    Reset,
    /// The connection has as many subscriptions as it may have.
    TooManySubscriptions,
    /// More messages than [`Limits::messages`](crate::Limits::message_rate) came.
    TooManyMessages,
    /// More requests with `since` than [`Limits::resumes`](crate::Limits::resume_rate) came.
    TooManyResumes,
    /// The server failed; its log says how.
    Internal,
    /// The event log, or what decides on a permission, cannot be reached.
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
            Self::BadId => (400, "bad_id", false),
            Self::WrongDialect => (400, "wrong_dialect", false),
            Self::UnknownViewKwargs => (400, "unknown_view_kwargs", false),
            Self::Forbidden => (403, "forbidden", false),
            Self::Revoked => (403, "revoked", false),
            Self::UnknownModel => (404, "unknown_model", false),
            Self::UnknownGroupKey => (404, "unknown_group_key", false),
            Self::UnknownRow => (404, "unknown_row", false),
            Self::UnknownId => (404, "unknown_id", false),
            Self::IdInUse => (409, "id_in_use", false),
            Self::Reset => (410, "reset", true),
            Self::TooManySubscriptions => (429, "too_many_subscriptions", true),
            Self::TooManyMessages => (429, "too_many_messages", true),
            Self::TooManyResumes => (429, "too_many_resumes", true),
            Self::Internal => (500, "internal_error", true),
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
    /// A message over [`Limits::message_bytes`](crate::Limits::max_message_bytes).
    TooBig,
    /// The server failed; its log says how.
    Internal,
    /// [`Live::disconnect`](crate::Live::disconnect): this user is not to come back.
    Forbidden,
    /// Nothing came from the client for [`Limits::idle`](crate::Limits::idle_timeout).
    Silent,
    /// Far more messages than [`Limits::messages`](crate::Limits::message_rate), or more connections than
    /// there may be.
    TooMany,
    /// The server goes away, and has told this client when to come back.
    Draining,
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
            Self::Internal => (1011, "internal error"),
            Self::Forbidden => (4403, "forbidden"),
            Self::Silent => (4408, "no traffic in time"),
            Self::TooMany => (4429, "too many messages or connections"),
            Self::Draining => (4503, "draining"),
            Self::TooSlow => (4508, "too slow"),
        }
    }
}

/// Why what a client holds may be out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetReason {
    /// The log has begun anew.
    Epoch,
    /// The log does not reach back to the client's cursor.
    Expired,
    /// The client's cursor is ahead of the log.
    Ahead,
    /// More has happened than a client is told one by one.
    TooFar,
    /// The client was too slow, or this server was.
    Lagged,
    /// A server has died that may have written what it told nobody.
    NodeLost,
    /// What the client may be shown has changed, in rows that are not known.
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
