//! The plain dialect, that of django-rest-live's first release: requests with neither `id` nor
//! `type`, broadcasts with exactly three keys, and error frames.

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Refusal, Request, Verb, quoted};
use crate::{code::ErrorCode, event::Action, frame::Frame};

/// Reads a request.
pub(crate) fn parse(text: &str) -> Result<Request, Refusal> {
    let shape = |message: &str| Refusal::new(ErrorCode::UnknownShape, message);

    let json: Value = serde_json::from_str(text).map_err(|e| {
        // serde_json's own words name a place in the client's text and nothing of ours.
        Refusal::new(
            ErrorCode::MalformedJson,
            format!("the message is not JSON: {e}"),
        )
    })?;
    let Value::Object(mut object) = json else {
        return Err(shape(
            r#"a request is a JSON object, such as {"model":"todolist.Task","pk":1}"#,
        ));
    };
    if object.contains_key("id") || object.contains_key("type") {
        return Err(shape(
            "requests with `id` or `type` are of a dialect that this server does not speak; leave both out",
        ));
    }
    let model = match object.remove("model") {
        Some(Value::String(model)) => model,
        Some(_) => return Err(shape("`model` is a string, such as \"todolist.Task\"")),
        None => return Err(shape("`model` is missing")),
    };
    let verb = match object.remove("unsubscribe") {
        None | Some(Value::Bool(false)) => Verb::Subscribe,
        Some(Value::Bool(true)) => Verb::Unsubscribe,
        Some(_) => return Err(shape("`unsubscribe` is true or left out")),
    };
    let (group_key, value) = only_entry(object)?;
    Ok(Request {
        verb,
        model,
        group_key,
        value,
    })
}

fn only_entry(object: Map<String, Value>) -> Result<(String, Value), Refusal> {
    let mut entries = object.into_iter();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(Refusal::new(
            ErrorCode::UnknownShape,
            "the key to subscribe by is missing: `pk` or a group key",
        )),
        (Some((first, _)), Some((second, _))) => Err(Refusal::new(
            ErrorCode::UnknownShape,
            format!(
                "subscribe by one key a message: {} and {} are two",
                quoted(&first),
                quoted(&second)
            ),
        )),
    }
}

/// Encodes what subscribers see of a change. `payload` is the serialised row.
pub(crate) fn broadcast(model: &str, payload: &RawValue, action: Action) -> Frame {
    #[derive(Serialize)]
    struct Broadcast<'a> {
        model: &'a str,
        payload: &'a RawValue,
        action: &'static str,
    }
    encode(&Broadcast {
        model,
        payload,
        action: action.as_str(),
    })
}

/// Encodes the answer to a request that is not done.
pub(crate) fn error(refusal: &Refusal) -> Frame {
    error_about(refusal.code, &refusal.message, None)
}

/// Encodes the word that what the client holds of a model may be out of date.
pub(crate) fn reset(model: &str) -> Frame {
    error_about(
        ErrorCode::Reset,
        "changes were missed: fetch this model again; the subscriptions go on",
        Some(model),
    )
}

fn error_about(code: ErrorCode, message: &str, model: Option<&str>) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'static str,
        code: u16,
        error: &'static str,
        message: &'a str,
        retry: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<&'a str>,
    }
    let (code, error, retry) = code.on_the_wire();
    encode(&Error {
        r#type: "error",
        code,
        error,
        message,
        retry,
        model,
    })
}

fn encode(frame: &impl Serialize) -> Frame {
    Frame::new(serde_json::to_string(frame).expect("strings, numbers and JSON are always JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> ErrorCode {
        parse(text).expect_err(text).code
    }

    #[test]
    fn a_request_is_a_model_and_one_key() {
        let request = |verb, group_key: &str, value| Request {
            verb,
            model: "todolist.Task".into(),
            group_key: group_key.into(),
            value,
        };
        for (text, expected) in [
            (
                r#"{"model":"todolist.Task","pk":1}"#,
                request(Verb::Subscribe, "pk", json!(1)),
            ),
            (
                r#"{"list_id":"1","model":"todolist.Task"}"#,
                request(Verb::Subscribe, "list_id", json!("1")),
            ),
            (
                r#"{"model":"todolist.Task","pk":1,"unsubscribe":true}"#,
                request(Verb::Unsubscribe, "pk", json!(1)),
            ),
            (
                r#"{"model":"todolist.Task","pk":1,"unsubscribe":false}"#,
                request(Verb::Subscribe, "pk", json!(1)),
            ),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_by_its_kind() {
        for text in [
            "",
            "{",
            "nonsense",
            "{\"model\":\"a\",\"pk\":1e999}",
            "{} {}",
        ] {
            assert_eq!(refused(text), ErrorCode::MalformedJson, "{text}");
        }
        for text in [
            "[]",
            "1",
            "null",
            "{}",
            r#"{"model":1,"pk":1}"#,
            r#"{"pk":1}"#,
            r#"{"model":"a"}"#,
            r#"{"model":"a","pk":1,"list_id":1}"#,
            r#"{"model":"a","pk":1,"unsubscribe":"yes"}"#,
            r#"{"model":"a","pk":1,"id":7}"#,
            r#"{"type":"subscribe","model":"a","pk":1}"#,
        ] {
            assert_eq!(refused(text), ErrorCode::UnknownShape, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_recursing_into_it() {
        let deep = format!(
            r#"{{"model":"a","pk":{}1{}}}"#,
            "[".repeat(30_000),
            "]".repeat(30_000)
        );
        assert_eq!(refused(&deep), ErrorCode::MalformedJson);
    }

    #[test]
    fn frames_are_written_key_by_key_in_this_order() {
        let payload = RawValue::from_string(r#"{"id":1}"#.into()).expect("JSON");
        assert_eq!(
            broadcast("todolist.Task", &payload, Action::Updated).as_str(),
            r#"{"model":"todolist.Task","payload":{"id":1},"action":"UPDATED"}"#
        );
        assert_eq!(
            error(&Refusal::new(ErrorCode::UnknownModel, "no")).as_str(),
            r#"{"type":"error","code":404,"error":"unknown_model","message":"no","retry":false}"#
        );
        assert!(
            reset("a.B")
                .as_str()
                .ends_with(r#""retry":true,"model":"a.B"}"#)
        );
    }
}
