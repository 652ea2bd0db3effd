//! The dialects of the protocol: parsing of requests and encoding of answers, with one module for
//! each dialect.
//!
//! The first subscribe request that is granted selects the dialect of its connection, by its shape.

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

/// The text in the frame that ends a subscription.
pub(super) const REVOKED_TEXT: &str = "the server has ended this subscription";

/// A form of requests and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// The dialect of django-rest-live's first release: neither `id` nor `type`.
    Plain,
    /// rest-live's own dialect: an `id`, and no `action`.
    V1,
    /// The dialect of django-rest-live 0.4 to 0.7: `type` and `action`.
    V0_7,
}

/// Parses a message. `selected` is the dialect of the connection, if one is selected already. An id
/// may have at most `max_id_bytes`.
pub(crate) fn parse(text: &str, selected: Option<Dialect>, max_id_bytes: usize) -> Message {
    let mut object = match Object::parse(text) {
        Ok(object) => object,
        Err(refusal) => {
            return Message {
                dialect: selected.unwrap_or(Dialect::Plain),
                id: None,
                request: Err(refusal),
            };
        }
    };
    let shape = shape(&object);
    // The plain dialect has no ids. An `id` gives the message another shape, so `request` refuses
    // it.
    let id = match (selected, shape) {
        (Some(Dialect::Plain), _) | (None, Dialect::Plain) => Ok(None),
        _ => Id::take(&mut object, max_id_bytes),
    };
    let dialect = selected.unwrap_or(shape);
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
    let wrong_dialect = |expected: &str| {
        Err(Refusal::new(
            ErrorCode::WrongDialect,
            format!("the first subscription of this connection selected {expected}"),
        ))
    };
    match (dialect, shape) {
        (Dialect::V0_7, _) if !has_id => Ok(Request::Ignored),
        (Dialect::V0_7, _) => v0_7::request(object),
        (Dialect::V1, Dialect::V1) => v1::request(object, has_id),
        (Dialect::Plain, Dialect::Plain) => plain::request(object),
        (Dialect::V1, _) => wrong_dialect("v1: requests have an `id` and no `action`"),
        (Dialect::Plain, _) => {
            wrong_dialect("the plain dialect: requests have neither `id` nor `type`")
        }
    }
}

impl Dialect {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::V1, Self::V0_7];

    /// Encodes the answer to a refused request.
    pub(crate) fn error(self, refusal: &Refusal, id: Option<&Id>) -> Frame {
        match self {
            Self::Plain => plain::error(refusal),
            Self::V1 => v1::error(refusal, id),
            Self::V0_7 => v0_7::error(refusal, id),
        }
    }

    /// Encodes the answer to a granted subscription, if the dialect has one.
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

    /// Encodes the answer to an unsubscribe request, if the dialect has one.
    pub(crate) fn unsubscribed(self, id: Option<&Id>) -> Option<Frame> {
        match (self, id) {
            (Self::V1, Some(id)) => Some(v1::unsubscribed(id)),
            _ => None,
        }
    }

    /// Encodes the message that the server has ended a subscription.
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
                let refusal = Refusal::new(code, REVOKED_TEXT);
                v0_7::error(&refusal, id)
            }
            _ => plain::revoked(code, model, group),
        }
    }

    /// Encodes the message that the client's rows of a model may be out of date.
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
