//! rest-live's own dialect, with acknowledgements, errors for each request, and cursors.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName, encode},
    code::{ErrorCode, ResetReason},
    frame::Frame,
    id::Id,
    object::Object,
    refusal::{Refusal, quoted},
    request::{GroupSelector, Request, Target, Token},
};
use crate::{data::cursor::Cursor, limits::Limits};

/// The websocket subprotocol with which a client selects this dialect at once.
pub(crate) const SUBPROTOCOL: &str = "rest-live.v1";

/// The time window in which clients fetch again after a reset, in milliseconds. A window spreads
/// their requests.
const RESET_WINDOW_MS: [u32; 2] = [0, 5000];

/// The time window in which clients reconnect after a shutdown, in milliseconds.
const GOODBYE_WINDOW_MS: [u32; 2] = [500, 8000];

/// Parses a request, whose id has been taken out.
pub(crate) fn request(mut object: Object<'_>, has_id: bool) -> Result<Request, Refusal> {
    if object.has("action") {
        return Err(Refusal::shape(
            "`action` belongs to django-rest-live 0.7, where requests also have a `type`: leave `action` out",
        ));
    }
    let kind = match object.take("type")? {
        None => "subscribe".to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => {
            return Err(Refusal::shape(
                "`type` must be a string, such as \"subscribe\"",
            ));
        }
    };
    let require_id = |request| {
        if has_id {
            Ok(request)
        } else {
            Err(Refusal::shape(
                "`id` is missing: choose a number or a string, which the server repeats in its answers",
            ))
        }
    };
    match kind.as_str() {
        "subscribe" => {
            let model = object.take_string("model", "todolist.Task")?;
            let since = cursor(&mut object, "since")?;
            let group = group(&mut object)?;
            require_id(Request::Subscribe {
                target: Target { model, group },
                since,
                must_exist: false,
            })
        }
        "unsubscribe" => require_id(Request::Unsubscribe),
        "sync" => {
            let cursor = cursor(&mut object, "cursor")?;
            require_id(Request::Sync { cursor })
        }
        "auth" => {
            let token = object.take_string("token", "eyJhbGciOi...")?;
            require_id(Request::Auth(Token(token)))
        }
        "ping" => Ok(Request::Ping),
        "pong" => Ok(Request::Ignored),
        other => Err(Refusal::shape(format!(
            "unknown `type` {}: use subscribe, unsubscribe, sync, auth or ping",
            quoted(other)
        ))),
    }
}

/// Takes out an optional cursor.
fn cursor(object: &mut Object<'_>, key: &str) -> Result<Option<String>, Refusal> {
    match object.take(key)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err(Refusal::shape(format!(
            "`{key}` must be a cursor, which is a string"
        ))),
    }
}

fn group(object: &mut Object<'_>) -> Result<GroupSelector, Refusal> {
    let Some(group) = object.take_object("group")? else {
        return Err(Refusal::shape(
            r#"`group` is missing: write {"pk":1} for a row, or {"list_id":1} for a group"#,
        ));
    };
    let keys = group.into_iter().map(|(key, value)| (key, Ok(value)));
    Ok(GroupSelector::Keys(keys.collect()))
}

/// Creates the refusal of a group that has no key, or several, if the model has no such group.
pub(super) fn not_one_key() -> Refusal {
    Refusal::shape(
        r#"the model has no group with so many keys: write one that it has, such as {"pk":1} or {"list_id":1}"#,
    )
}

/// Encodes a change for the subscribers of a group.
pub(crate) fn broadcast(broadcast: &Broadcast<'_>) -> String {
    #[derive(Serialize)]
    struct Encoded<'a> {
        r#type: &'static str,
        model: &'a str,
        group: GroupName<'a>,
        action: &'static str,
        payload: &'a RawValue,
        cursor: Text<&'a Cursor>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<Text<&'a Cursor>>,
    }
    encode(&Encoded {
        r#type: "broadcast",
        model: broadcast.model,
        group: broadcast.group,
        action: broadcast.action.as_str(),
        payload: broadcast.payload,
        cursor: Text(broadcast.cursor),
        unit: broadcast.unit.map(Text),
    })
}

/// Replaces the cursor and the unit of a broadcast, for a replay.
pub(crate) fn with_cursor(broadcast: &str, cursor: &Cursor, unit: Option<&Cursor>) -> Frame {
    // The last occurrence is the cursor. Earlier ones are part of the payload.
    let end = broadcast.rfind(CURSOR).unwrap_or(broadcast.len());
    let broadcast = &broadcast[..end];
    Frame::answer(&match unit {
        Some(unit) => format!(r#"{broadcast}{CURSOR}{cursor}","unit":"{unit}"}}"#),
        None => format!(r#"{broadcast}{CURSOR}{cursor}"}}"#),
    })
}

/// Encodes the message that ends a unit. `cursor` is what its broadcasts have as their `unit`.
pub(crate) fn unit(cursor: &Cursor) -> Frame {
    #[derive(Serialize)]
    struct Unit<'a> {
        r#type: &'static str,
        cursor: Text<&'a Cursor>,
    }
    answer(&Unit {
        r#type: "unit",
        cursor: Text(cursor),
    })
}

/// The text before the cursor of a broadcast. No cursor contains it.
const CURSOR: &str = r#","cursor":""#;

/// Encodes the answer to a granted subscription.
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

/// Encodes the answer to an unsubscribe request.
pub(crate) fn unsubscribed(id: &Id) -> Frame {
    answer(&Unsubscribed {
        r#type: "unsubscribed",
        id,
        code: None,
        reason: None,
    })
}

/// Encodes the message that the server has ended a subscription.
pub(crate) fn revoked(id: &Id, code: ErrorCode) -> Frame {
    let (code, reason, _) = code.fields();
    answer(&Unsubscribed {
        r#type: "unsubscribed",
        id,
        code: Some(code),
        reason: Some(reason),
    })
}

/// Encodes a reset of one subscription.
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

/// Encodes the answer to a refused request.
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
    let (code, error, retry) = refusal.code.fields();
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
struct Signal<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
}

/// Encodes a ping for browsers, which cannot see the pings of the websocket protocol. The client
/// was sent everything up to the cursor.
pub(crate) fn ping(cursor: Option<&Cursor>) -> Frame {
    #[derive(Serialize)]
    struct Ping<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Text<&'a Cursor>>,
    }
    answer(&Ping {
        r#type: "ping",
        cursor: cursor.map(Text),
    })
}

/// Encodes the answer to a `sync` request. A resume from the cursor loses nothing.
pub(crate) fn synced(id: &Id, cursor: &Cursor) -> Frame {
    #[derive(Serialize)]
    struct Synced<'a> {
        r#type: &'static str,
        id: &'a Id,
        cursor: Text<&'a Cursor>,
    }
    answer(&Synced {
        r#type: "synced",
        id,
        cursor: Text(cursor),
    })
}

/// Encodes the answer to a client's ping.
pub(crate) fn pong(id: Option<&Id>) -> Frame {
    answer(&Signal { r#type: "pong", id })
}

/// Encodes the answer to a token that was accepted. It is valid for `expires_ms` milliseconds, or
/// without a limit.
pub(crate) fn authenticated(id: Option<&Id>, expires_ms: Option<u64>) -> Frame {
    #[derive(Serialize)]
    struct Authenticated<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_ms: Option<u64>,
    }
    answer(&Authenticated {
        r#type: "authenticated",
        id,
        expires_ms,
    })
}

/// Encodes the message that the credentials of the connection expire in `in_ms` milliseconds.
pub(crate) fn expiring(in_ms: u64) -> Frame {
    #[derive(Serialize)]
    struct Expiring {
        r#type: &'static str,
        in_ms: u64,
    }
    answer(&Expiring {
        r#type: "expiring",
        in_ms,
    })
}

/// Encodes the message that the server cannot reach its event log, so that changes arrive late, or
/// the message that it reaches the log again.
pub(crate) fn stale(is_stale: bool) -> Frame {
    answer(&Signal {
        r#type: if is_stale { "stale" } else { "live" },
        id: None,
    })
}

/// Encodes the first message of a connection that selected this dialect with its subprotocol.
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

/// Encodes the message that the server shuts down, with the time window for the reconnection.
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

/// Serializes a value as the string that it displays.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
