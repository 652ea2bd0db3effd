//! The plain dialect, that of django-rest-live's first release.
//!
//! Requests have neither `id` nor `type`. Broadcasts have exactly three keys. The only other frames
//! are errors: successful requests are not acknowledged.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName, encode},
    code::ErrorCode,
    frame::Frame,
    object::{self, Object},
    refusal::{REVOKED_TEXT, Refusal, quoted},
    request::{GroupSelector, Request, Target},
};

/// Parses a request.
pub(crate) fn request(mut object: Object<'_>) -> Result<Request, Refusal> {
    let model = object.take_string("model", "todolist.Task")?;
    let unsubscribe = match object.take("unsubscribe")? {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => return Err(Refusal::shape("`unsubscribe` must be true, or be left out")),
    };
    let (key, value) = only_entry(object)?;
    let group = GroupSelector::Key(key, object::value(value)?);
    let target = Target { model, group };
    Ok(if unsubscribe {
        Request::UnsubscribeFrom(target)
    } else {
        Request::Subscribe {
            target,
            since: None,
            must_exist: false,
        }
    })
}

fn only_entry(object: Object<'_>) -> Result<(String, &RawValue), Refusal> {
    let mut entries = object.into_entries();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(Refusal::shape("a key is missing: `pk` or a group key")),
        (Some((first, _)), Some((second, _))) => Err(Refusal::shape(format!(
            "subscribe by one key, not by both {} and {}",
            quoted(&first),
            quoted(&second)
        ))),
    }
}

/// Encodes a change for its subscribers.
pub(crate) fn broadcast(broadcast: &Broadcast<'_>) -> String {
    #[derive(Serialize)]
    struct Encoded<'a> {
        model: &'a str,
        payload: &'a RawValue,
        action: &'static str,
    }
    encode(&Encoded {
        model: broadcast.model,
        payload: broadcast.payload,
        action: broadcast.action.as_str(),
    })
}

#[derive(Serialize)]
struct Error<'a> {
    r#type: &'static str,
    code: u16,
    error: &'static str,
    message: &'a str,
    retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupName<'a>>,
}

impl<'a> Error<'a> {
    fn new(code: ErrorCode, message: &'a str) -> Self {
        let (code, error, retry) = code.fields();
        Self {
            r#type: "error",
            code,
            error,
            message,
            retry,
            model: None,
            group: None,
        }
    }

    fn frame(&self) -> Frame {
        Frame::answer(&encode(self))
    }
}

/// Encodes the answer to a refused request.
pub(crate) fn error(refusal: &Refusal) -> Frame {
    Error::new(refusal.code, &refusal.message).frame()
}

/// Encodes a reset. The 0.7 dialect uses the same frame, because it has none of its own.
pub(crate) fn reset(model: &str) -> Frame {
    let message = "changes were missed: fetch this model again; the subscriptions continue";
    let mut error = Error::new(ErrorCode::Reset, message);
    error.model = Some(model);
    error.frame()
}

/// Encodes the message that the server has ended a subscription. It names the group, because
/// nothing else in this dialect identifies the subscription.
pub(crate) fn revoked(code: ErrorCode, model: &str, group: GroupName<'_>) -> Frame {
    let mut error = Error::new(code, REVOKED_TEXT);
    error.model = Some(model);
    error.group = Some(group);
    error.frame()
}
