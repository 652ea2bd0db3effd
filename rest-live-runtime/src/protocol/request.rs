//! A client's request, in the form that all dialects share.

use std::fmt;

use serde_json::{Map, Value};

use super::{dialect::Dialect, id::Id, refusal::Refusal};

/// A parsed message of a client.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// The dialect of the answer. If this is the first granted subscription, it becomes the dialect
    /// of the connection.
    pub(crate) dialect: Dialect,
    pub(crate) id: Option<Id>,
    pub(crate) request: Result<Request, Refusal>,
}

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Subscribe {
        target: Target,
        /// The client's last cursor, from which it resumes.
        since: Option<String>,
        /// Whether the request is refused if the row does not exist.
        must_exist: bool,
    },
    /// Ends the subscription to a group.
    UnsubscribeFrom(Target),
    /// Ends the subscriptions with the id of the message.
    Unsubscribe,
    Ping,
    /// Asks for an answer when everything up to a cursor was sent; without one, up to the present.
    Sync {
        cursor: Option<String>,
    },
    /// Authenticates the connection.
    Auth(Token),
    /// The server does nothing and does not answer.
    Ignored,
}

/// The group that a request names.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    /// The label of the model.
    pub(crate) model: String,
    pub(crate) group: GroupSelector,
}

/// The way in which a request names a group.
#[derive(Debug, PartialEq)]
pub(crate) enum GroupSelector {
    /// By exactly these keys.
    Keys(Vec<RequestedKey>),
    /// By those of these keys that are a group key of the model.
    AmongKwargs(Map<String, Value>),
}

/// The name of a key, and its value, unless that cannot be parsed.
pub(crate) type RequestedKey = (String, Result<Value, Refusal>);

/// A token of a client. Its `Debug` does not show it, because it must not appear in logs.
#[derive(PartialEq)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
