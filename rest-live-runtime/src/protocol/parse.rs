//! Parses the messages of clients. Each dialect reads its own requests.

use super::{
    code::ErrorCode,
    dialect::Dialect,
    id::Id,
    object::Object,
    plain,
    refusal::Refusal,
    request::{Message, Request},
    v0_7, v1,
};

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

/// Returns the dialect whose requests have the shape of this object.
pub(super) fn shape(object: &Object<'_>) -> Dialect {
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

#[cfg(test)]
mod tests;
