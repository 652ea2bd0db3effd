//! A client's request, in any dialect.

use serde_json::{Map, Value};

use super::{dialect::Dialect, id::Id, refusal::Refusal};

/// A client's message, as far as it could be understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// The dialect to answer in, and the one that the connection has from now on if this is a
    /// subscription that is granted.
    pub(crate) dialect: Dialect,
    pub(crate) id: Option<Id>,
    pub(crate) request: Result<Request, Refusal>,
}

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Subscribe {
        target: Target,
        /// The client's last cursor, from which it wants to go on.
        since: Option<String>,
        /// Whether there must be such a row.
        must_exist: bool,
    },
    /// Ends the subscription to a group.
    UnsubscribeFrom(Target),
    /// Ends the subscriptions that have the message's id.
    Unsubscribe,
    Ping,
    /// Nothing, and nothing is answered.
    Nothing,
}

/// The group that a request names.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    /// Label of the model.
    pub(crate) model: String,
    pub(crate) group: GroupSelector,
}

/// How a group is named.
#[derive(Debug, PartialEq)]
pub(crate) enum GroupSelector {
    /// By its key and value.
    Key(String, Value),
    /// By the only one of these that is a group key of the model.
    AmongKwargs(Map<String, Value>),
}
