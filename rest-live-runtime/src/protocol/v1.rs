//! rest-live's own dialect: acknowledgements, errors by request, cursors.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName, encode},
    code::{ErrorCode, ResetReason},
    frame::Frame,
    id::Id,
    object::Object,
    refusal::{Refusal, quoted},
    request::{GroupSelector, Request, Target},
};
use crate::{data::cursor::Cursor, limits::Limits};

/// The websocket subprotocol by which a client chooses this dialect at once.
pub(crate) const SUBPROTOCOL: &str = "rest-live.v1";

/// Milliseconds within which clients that are told to reset fetch again, so that they do not all do
/// it at once.
const RESET_WINDOW_MS: [u32; 2] = [0, 5000];

/// Milliseconds within which clients come back after a shutdown.
const GOODBYE_WINDOW_MS: [u32; 2] = [500, 8000];

/// Reads a request, whose id was taken out.
pub(crate) fn request(mut object: Object<'_>, has_id: bool) -> Result<Request, Refusal> {
    if object.has("action") {
        return Err(Refusal::shape(
            "`action` is of django-rest-live 0.7, whose requests have a `type`, too; leave it out",
        ));
    }
    let verb = match object.take("type")? {
        None => "subscribe".to_owned(),
        Some(Value::String(verb)) => verb,
        Some(_) => return Err(Refusal::shape("`type` is a string, such as \"subscribe\"")),
    };
    let identified = |request| match has_id {
        true => Ok(request),
        false => Err(Refusal::shape(
            "`id` is missing: a number or a string of your choice, which the answers carry",
        )),
    };
    match verb.as_str() {
        "subscribe" => {
            let model = object.take_string("model", "todolist.Task")?;
            let since = match object.take("since")? {
                None | Some(Value::Null) => None,
                Some(Value::String(cursor)) => Some(cursor),
                Some(_) => {
                    return Err(Refusal::shape("`since` is a cursor, which is a string"));
                }
            };
            let group = group(&mut object)?;
            identified(Request::Subscribe {
                target: Target { model, group },
                since,
                must_exist: false,
            })
        }
        "unsubscribe" => identified(Request::Unsubscribe),
        "ping" => Ok(Request::Ping),
        "pong" => Ok(Request::Nothing),
        other => Err(Refusal::shape(format!(
            "there is no request {}, but subscribe, unsubscribe and ping",
            quoted(other)
        ))),
    }
}

fn group(object: &mut Object<'_>) -> Result<GroupSelector, Refusal> {
    let Some(group) = object.take_object("group")? else {
        return Err(Refusal::shape(
            r#"`group` is missing: {"pk":1} for a row, {"list_id":1} for a group"#,
        ));
    };
    let mut entries = group.into_iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Ok(GroupSelector::Key(key, value)),
        _ => Err(Refusal::shape(
            r#"`group` has exactly one key, such as {"pk":1} or {"list_id":1}"#,
        )),
    }
}

/// Encodes what subscribers of a group see of a change.
pub(crate) fn broadcast(broadcast: &Broadcast<'_>) -> String {
    #[derive(Serialize)]
    struct Encoded<'a> {
        r#type: &'static str,
        model: &'a str,
        group: GroupName<'a>,
        action: &'static str,
        payload: &'a RawValue,
        cursor: Text<&'a Cursor>,
    }
    encode(&Encoded {
        r#type: "broadcast",
        model: broadcast.model,
        group: broadcast.group,
        action: broadcast.action.as_str(),
        payload: broadcast.payload,
        cursor: Text(broadcast.cursor),
    })
}

/// Returns a broadcast as it is replayed: with another cursor.
pub(crate) fn replayed(broadcast: &str, cursor: &Cursor) -> Frame {
    // The last that is in it.
    let end = broadcast.rfind(CURSOR).unwrap_or(broadcast.len());
    let broadcast = &broadcast[..end];
    Frame::answer(&format!("{broadcast}{CURSOR}{cursor}\"}}"))
}

/// What is before the cursor of a broadcast; no cursor has it.
const CURSOR: &str = r#","cursor":""#;

pub(crate) fn subscribed(
    id: &Id,
    model: &str,
    group: GroupName<'_>,
    cursor: &Cursor,
    recovered: bool,
) -> Frame {
    #[derive(Serialize)]
    struct Subscribed<'a> {
        r#type: &'static str,
        id: &'a Id,
        model: &'a str,
        group: GroupName<'a>,
        cursor: Text<&'a Cursor>,
        recovered: bool,
    }
    answer(&Subscribed {
        r#type: "subscribed",
        id,
        model,
        group,
        cursor: Text(cursor),
        recovered,
    })
}

#[derive(Serialize)]
struct Unsubscribed<'a> {
    r#type: &'static str,
    id: &'a Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(crate) fn unsubscribed(id: &Id) -> Frame {
    answer(&Unsubscribed {
        r#type: "unsubscribed",
        id,
        code: None,
        reason: None,
    })
}

pub(crate) fn revoked(id: &Id, code: ErrorCode) -> Frame {
    let (code, reason, _) = code.on_the_wire();
    answer(&Unsubscribed {
        r#type: "unsubscribed",
        id,
        code: Some(code),
        reason: Some(reason),
    })
}

pub(crate) fn reset(id: &Id, reason: ResetReason, cursor: &Cursor) -> Frame {
    #[derive(Serialize)]
    struct Reset<'a> {
        r#type: &'static str,
        id: &'a Id,
        reason: &'static str,
        cursor: Text<&'a Cursor>,
        retry_ms: [u32; 2],
    }
    answer(&Reset {
        r#type: "reset",
        id,
        reason: reason.as_str(),
        cursor: Text(cursor),
        retry_ms: RESET_WINDOW_MS,
    })
}

pub(crate) fn error(refusal: &Refusal, id: Option<&Id>) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        code: u16,
        error: &'static str,
        message: &'a str,
        retry: bool,
    }
    let (code, error, retry) = refusal.code.on_the_wire();
    answer(&Error {
        r#type: "error",
        id,
        code,
        error,
        message: &refusal.message,
        retry,
    })
}

#[derive(Serialize)]
struct Beat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
}

/// Encodes the sign of life for browsers, which cannot see the websocket protocol's.
pub(crate) fn ping() -> Frame {
    answer(&Beat {
        r#type: "ping",
        id: None,
    })
}

/// Encodes the answer to a client's ping.
pub(crate) fn pong(id: Option<&Id>) -> Frame {
    answer(&Beat { r#type: "pong", id })
}

/// Encodes the word that what happens is not known right now, and may be told late; or that it is known again.
pub(crate) fn stale(is_stale: bool) -> Frame {
    answer(&Beat {
        r#type: if is_stale { "stale" } else { "live" },
        id: None,
    })
}

/// Encodes the greeting of a connection that chose this dialect by its subprotocol.
pub(crate) fn hello(session: &str, limits: &Limits) -> Frame {
    #[derive(Serialize)]
    struct Hello<'a> {
        r#type: &'static str,
        session: &'a str,
        ping_ms: u128,
        max_subscriptions: usize,
        max_message_bytes: usize,
    }
    answer(&Hello {
        r#type: "hello",
        session,
        ping_ms: limits
            .ping_interval
            .map_or(0, |interval| interval.as_millis()),
        max_subscriptions: limits.max_subscriptions,
        max_message_bytes: limits.max_message_bytes,
    })
}

/// Encodes the word that the server goes away, and when to come back.
pub(crate) fn goodbye() -> Frame {
    #[derive(Serialize)]
    struct Goodbye {
        r#type: &'static str,
        reason: &'static str,
        retry_ms: [u32; 2],
    }
    answer(&Goodbye {
        r#type: "goodbye",
        reason: "shutdown",
        retry_ms: GOODBYE_WINDOW_MS,
    })
}

fn answer(frame: &impl Serialize) -> Frame {
    Frame::answer(&encode(frame))
}

/// Writes what can be displayed as a string.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
