//! What clients say and how they are answered: one module for each way of writing it.
//!
//! The first subscribe request that is granted chooses the connection's dialect, by its shape.

use super::{
    broadcast::GroupName,
    code::{ErrorCode, ResetReason},
    frame::Frame,
    id::Id,
    object::Object,
    plain,
    refusal::Refusal,
    request::{Message, Request},
    v0_7, v1,
};
use crate::data::cursor::Cursor;

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

#[cfg(test)]
mod tests;
