//! What clients say and how they are answered: one module for each way of writing it.
//!
//! The first subscribe request that is granted chooses the connection's dialect, by its shape.

mod id;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod object;
pub(crate) mod plain;
pub(crate) mod v0_7;
pub(crate) mod v1;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, value::RawValue};

pub(crate) use self::{id::Id, object::Object};
use crate::{
    code::{ErrorCode, ResetReason},
    cursor::Cursor,
    event::Action,
    frame::Frame,
    key::KeyValue,
};

/// A way of writing requests and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// django-rest-live's first: neither `id` nor `type`.
    Plain,
    /// rest-live's own: an `id`, and no `action`.
    V1,
    /// django-rest-live 0.4 to 0.7: `type` and `action`.
    V0_7,
}

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
    pub(crate) group: Named,
}

/// How a group is named.
#[derive(Debug, PartialEq)]
pub(crate) enum Named {
    /// By its key and value.
    Key(String, Value),
    /// By the only one of these that is a group key of the model.
    AmongKwargs(Map<String, Value>),
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

    fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::UnknownShape, message)
    }
}

/// Reads a message of a connection that speaks a dialect already, or none yet. `id_bytes` is the
/// longest id.
pub(crate) fn parse(text: &str, spoken: Option<Dialect>, id_bytes: usize) -> Message {
    let mut object = match Object::parse(text) {
        Ok(object) => object,
        Err(refusal) => {
            return Message {
                dialect: spoken.unwrap_or(Dialect::Plain),
                id: None,
                request: Err(refusal),
            };
        }
    };
    let shape = shape(&object);
    // A group key may be called `id`: what has it is the plain dialect's own business to refuse.
    let id = match (spoken, shape) {
        (Some(Dialect::Plain), _) | (None, Dialect::Plain) => Ok(None),
        _ => Id::take(&mut object, id_bytes),
    };
    let dialect = spoken.unwrap_or(shape);
    let (id, request) = match id {
        Ok(id) => {
            let request = request(object, shape, dialect, id.is_some());
            (id, request)
        }
        Err(refusal) => (None, Err(refusal)),
    };
    Message {
        dialect,
        id,
        request,
    }
}

fn shape(object: &Object<'_>) -> Dialect {
    match (object.has("type"), object.has("action"), object.has("id")) {
        (true, true, _) => Dialect::V0_7,
        (false, _, false) => Dialect::Plain,
        _ => Dialect::V1,
    }
}

fn request(
    object: Object<'_>,
    shape: Dialect,
    dialect: Dialect,
    has_id: bool,
) -> Result<Request, Refusal> {
    let wrong = |speaks: &str| {
        Err(Refusal::new(
            ErrorCode::WrongDialect,
            format!("this connection speaks {speaks} since its first subscription"),
        ))
    };
    match (dialect, shape) {
        (Dialect::V0_7, _) if !has_id => Ok(Request::Nothing),
        (Dialect::V0_7, _) => v0_7::request(object),
        (Dialect::V1, Dialect::V1) => v1::request(object, has_id),
        (Dialect::Plain, Dialect::Plain) => plain::request(object),
        (Dialect::V1, _) => wrong("v1, with `id` and without `action`"),
        (Dialect::Plain, _) => wrong("the plain dialect, without `id` and `type`"),
    }
}

impl Dialect {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::V1, Self::V0_7];

    /// Encodes the answer to a request that is not done.
    pub(crate) fn error(self, refusal: &Refusal, id: Option<&Id>) -> Frame {
        match self {
            Self::Plain => plain::error(refusal),
            Self::V1 => v1::error(refusal, id),
            Self::V0_7 => v0_7::error(refusal, id),
        }
    }

    /// Encodes the answer to a subscription that is granted, where there is one.
    pub(crate) fn subscribed(
        self,
        id: Option<&Id>,
        model: &str,
        group: GroupName<'_>,
        cursor: &Cursor,
        recovered: bool,
    ) -> Option<Frame> {
        match (self, id) {
            (Self::V1, Some(id)) => Some(v1::subscribed(id, model, group, cursor, recovered)),
            _ => None,
        }
    }

    /// Encodes the answer to a subscription that the client ends, where there is one.
    pub(crate) fn unsubscribed(self, id: Option<&Id>) -> Option<Frame> {
        match (self, id) {
            (Self::V1, Some(id)) => Some(v1::unsubscribed(id)),
            _ => None,
        }
    }

    /// Encodes the word that the server has ended a subscription.
    pub(crate) fn revoked(
        self,
        id: Option<&Id>,
        code: ErrorCode,
        model: &str,
        group: GroupName<'_>,
    ) -> Frame {
        match (self, id) {
            (Self::V1, Some(id)) => v1::revoked(id, code),
            (Self::V0_7, _) => {
                let refusal = Refusal::new(code, "this subscription is taken back");
                v0_7::error(&refusal, id)
            }
            _ => plain::revoked(code, model, group),
        }
    }

    /// Encodes the word that what the client holds of a model may be out of date.
    pub(crate) fn reset(
        self,
        id: Option<&Id>,
        model: &str,
        reason: ResetReason,
        cursor: &Cursor,
    ) -> Frame {
        match (self, id) {
            (Self::V1, Some(id)) => v1::reset(id, reason, cursor),
            _ => plain::reset(model),
        }
    }
}

/// What subscribers of a group are told of a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcast<'a> {
    pub(crate) model: &'a str,
    pub(crate) group: GroupName<'a>,
    pub(crate) action: Action,
    /// The serialised row.
    pub(crate) payload: &'a RawValue,
    pub(crate) cursor: &'a Cursor,
}

/// A group, written as an object of one key: `{"list_id":1}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupName<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a KeyValue,
}

impl Serialize for GroupName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
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

fn encode(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("strings, numbers and JSON are always JSON")
}

#[cfg(test)]
mod tests;
