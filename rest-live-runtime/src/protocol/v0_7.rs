//! The dialect of django-rest-live 0.4 to 0.7, for the clients that there are.

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

/// Reads a request, whose id was taken out.
pub(crate) fn request(mut object: Object<'_>) -> Result<Request, Refusal> {
    match object.take_string("type", "subscribe")?.as_str() {
        "subscribe" => subscribe(object),
        "unsubscribe" => Ok(Request::Unsubscribe),
        other => Err(Refusal::shape(format!(
            "there is no request {}, but subscribe and unsubscribe",
            quoted(other)
        ))),
    }
}

fn subscribe(mut object: Object<'_>) -> Result<Request, Refusal> {
    if !object.has("action") {
        return Err(Refusal::new(
            ErrorCode::WrongDialect,
            "this connection speaks django-rest-live 0.7 since its first subscription: `action` is missing",
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
                    "`lookup_by` is missing: the primary key of the row",
                ));
            }
            Some(key) => (GroupSelector::Key(PK.to_owned(), key), true),
        },
        other => {
            return Err(Refusal::shape(format!(
                "there is no action {}, but list and retrieve",
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

/// Encodes what all subscribers see of a change, as it follows the id: see [`addressed`].
///
/// A row that disappears is its primary key only, under `pk` and under its columns' own names. It is
/// written as the serializer writes it, where it does: clients look for the row by what REST showed.
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
                shown: serde_json::from_str(broadcast.payload.get()).unwrap_or_default(),
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

/// `{"pk":7,"id":7}`.
struct PrimaryKey<'a> {
    key: &'a KeyValue,
    columns: &'a [&'static str],
    /// The fields of the row.
    shown: BTreeMap<String, &'a RawValue>,
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
        match self.shown.get(column) {
            Some(shown) => map.serialize_entry(name, shown),
            None => map.serialize_entry(name, value),
        }
    }
}

/// Encodes how a broadcast begins for one subscription.
pub(crate) fn beginning(id: &Id) -> String {
    format!(r#"{{"type":"broadcast","id":{},"#, id.as_json())
}

/// Puts the id of one subscription before what all subscribers see.
pub(crate) fn addressed(id: &Id, rest: &str) -> String {
    beginning(id) + rest
}

/// Makes a frame of a broadcast's ending.
pub(crate) fn whole(id: &Id, ending: &Frame) -> Frame {
    let text = addressed(id, ending.as_str());
    match ending.captured() {
        Some(captured) => Frame::broadcast(&text, captured),
        None => Frame::answer(&text),
    }
}

pub(crate) fn error(refusal: &Refusal, id: Option<&Id>) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        code: u16,
        message: &'a str,
    }
    let (code, ..) = refusal.code.on_the_wire();
    Frame::answer(&encode(&Error {
        r#type: "error",
        id,
        code,
        message: &refusal.message,
    }))
}
