//! The dialect of django-rest-live 0.4 to 0.7, for its existing clients.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, encode},
    code::ErrorCode,
    frame::Frame,
    id::Id,
    object::Object,
    refusal::{Refusal, quoted},
    request::{GroupSelector, Request, Target},
};
use crate::data::{
    event::Action,
    key::{KeyValue, PK},
};

/// Parses a request, whose id has been taken out.
pub(crate) fn request(mut object: Object<'_>) -> Result<Request, Refusal> {
    match object.take_string("type", "subscribe")?.as_str() {
        "subscribe" => subscribe(object),
        "unsubscribe" => Ok(Request::Unsubscribe),
        other => Err(Refusal::shape(format!(
            "unknown `type` {}: use subscribe or unsubscribe",
            quoted(other)
        ))),
    }
}

fn subscribe(mut object: Object<'_>) -> Result<Request, Refusal> {
    if !object.has("action") {
        return Err(Refusal::new(
            ErrorCode::WrongDialect,
            "the first subscription of this connection selected django-rest-live 0.7: `action` is missing",
        ));
    }
    let model = object.take_string("model", "todolist.Task")?;
    let kwargs = object.take_object("view_kwargs")?.unwrap_or_default();
    let action = object.take_string("action", "list")?;
    let (group, must_exist) = match action.as_str() {
        "list" => (GroupSelector::AmongKwargs(kwargs), false),
        "retrieve" => match object.take("lookup_by")? {
            None | Some(Value::Null) => {
                return Err(Refusal::shape(
                    "`lookup_by` is missing: it is the primary key of the row",
                ));
            }
            Some(key) => (GroupSelector::Keys(vec![(PK.to_owned(), Ok(key))]), true),
        },
        other => {
            return Err(Refusal::shape(format!(
                "unknown `action` {}: use list or retrieve",
                quoted(other)
            )));
        }
    };
    Ok(Request::Subscribe {
        target: Target { model, group },
        since: None,
        must_exist,
    })
}

/// Encodes a change without the start of the message, which contains the id: see [`with_id`].
///
/// For a deleted row, `instance` contains only the primary key, under `pk` and under the names of
/// its columns. If the serializer shows a column, its form is used, because clients find the row by
/// the value that the REST API returned.
pub(crate) fn broadcast(
    broadcast: &Broadcast<'_>,
    key: &KeyValue,
    columns: &[&'static str],
) -> String {
    #[derive(Serialize)]
    struct Encoded<'a, T> {
        model: &'a str,
        action: &'static str,
        instance: T,
    }
    let action = broadcast.action.as_str();
    let text = match broadcast.action {
        Action::Deleted => encode(&Encoded {
            model: broadcast.model,
            action,
            instance: PrimaryKey {
                key,
                columns,
                fields: serde_json::from_str(broadcast.payload.get()).unwrap_or_default(),
            },
        }),
        Action::Created | Action::Updated => encode(&Encoded {
            model: broadcast.model,
            action,
            instance: broadcast.payload,
        }),
    };
    text.trim_start_matches('{').to_owned()
}

/// The primary key of a deleted row, such as `{"pk":7,"id":7}`.
struct PrimaryKey<'a> {
    key: &'a KeyValue,
    columns: &'a [&'static str],
    /// The fields that the serializer shows.
    fields: BTreeMap<String, &'a RawValue>,
}

impl Serialize for PrimaryKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.columns {
            [column] => self.entry(&mut map, PK, column, self.key)?,
            _ => map.serialize_entry(PK, self.key)?,
        }
        for (column, value) in self.columns.iter().zip(self.key.parts()) {
            if *column != PK {
                self.entry(&mut map, column, column, value)?;
            }
        }
        map.end()
    }
}

impl PrimaryKey<'_> {
    fn entry<M: SerializeMap>(
        &self,
        map: &mut M,
        name: &str,
        column: &str,
        value: &KeyValue,
    ) -> Result<(), M::Error> {
        match self.fields.get(column) {
            Some(field) => map.serialize_entry(name, field),
            None => map.serialize_entry(name, value),
        }
    }
}

/// Encodes the start of a broadcast for one subscription.
pub(crate) fn prefix(id: &Id) -> String {
    format!(r#"{{"type":"broadcast","id":{},"#, id.as_json())
}

/// Encodes a broadcast for one subscription. `suffix` is what [`broadcast`] returned.
pub(crate) fn with_id(id: &Id, suffix: &str) -> String {
    prefix(id) + suffix
}

/// Creates the frame of a broadcast for one subscription from a [`Frame::suffix`].
pub(crate) fn complete(id: &Id, suffix: &Frame) -> Frame {
    let text = with_id(id, suffix.as_str());
    match suffix.captured() {
        Some(captured) => Frame::broadcast(&text, captured),
        None => Frame::answer(&text),
    }
}

/// Encodes the answer to a refused request.
pub(crate) fn error(refusal: &Refusal, id: Option<&Id>) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        code: u16,
        message: &'a str,
    }
    let (code, ..) = refusal.code.fields();
    Frame::answer(&encode(&Error {
        r#type: "error",
        id,
        code,
        message: &refusal.message,
    }))
}
