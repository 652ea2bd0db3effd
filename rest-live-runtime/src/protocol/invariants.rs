//! Invariants of the parser and the encoders, for any text of a client.
//!
//! The fuzzer (`fuzz/`) asserts them. So does a unit test, with every text that the fuzzer has
//! found.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, value::RawValue};

use super::{
    broadcast::{Broadcast, GroupName},
    code::{ErrorCode, ResetReason},
    dialect::Dialect,
    frame::Frame,
    id::Id,
    parse::parse,
    plain,
    refusal::Refusal,
    request::{GroupSelector, Message, Request, RequestedKey, Target},
    v0_7, v1,
};
use crate::data::{
    cursor::{Cursor, Epoch},
    event::Action,
    key::{KeyKind, KeyValue},
};

/// Maximum length of an id, as in the default limits.
const MAX_ID_BYTES: usize = 64;

/// Maximum length of the `message` in an error frame, for any text of the client.
const MAX_MESSAGE_BYTES: usize = 2048;

/// Maximum number of keys whose values are combined to a composite.
const MAX_COMBINED_KEYS: usize = 4;

/// Length of a plain request up to which an error always names its group.
const MAX_NAMED_TEXT_BYTES: usize = 2048;

/// Parses a text in every state of a connection, encodes every possible answer, and asserts the
/// invariants of both.
///
/// # Panics
/// If an invariant is violated.
pub fn assert_invariants(text: &str) {
    for selected in [
        None,
        Some(Dialect::Plain),
        Some(Dialect::V1),
        Some(Dialect::V0_7),
    ] {
        let message = parse(text, selected, MAX_ID_BYTES);
        assert!(selected.is_none_or(|selected| selected == message.dialect));
        if selected.is_none() {
            // After the request has selected its dialect, it has the same meaning.
            assert_eq!(parse(text, Some(message.dialect), MAX_ID_BYTES), message);
        }
        assert_id(text, &message);
        match &message.request {
            Err(refusal) => assert_refusal(text, &message, refusal),
            Ok(request) => {
                assert_named(text, &message, request);
                assert_request(&message, request);
            }
        }
    }
}

/// Asserts that the id is the client's, and that a request that needs an id has one.
fn assert_id(text: &str, message: &Message) {
    let needs_one = match (message.dialect, &message.request) {
        (Dialect::Plain, _) => {
            assert_eq!(message.id, None);
            false
        }
        (_, Err(_) | Ok(Request::Ping | Request::Ignored)) => false,
        (_, Ok(_)) => true,
    };
    let Some(id) = &message.id else {
        return assert!(!needs_one, "{message:?}");
    };
    let written: BTreeMap<String, &RawValue> = serde_json::from_str(text).expect("an object");
    let (written, read) = (written["id"].get(), id.as_json());
    if written.starts_with('"') {
        assert_eq!(string(written), string(read));
    } else {
        assert_eq!(written, read);
    }
}

fn string(json: &str) -> String {
    serde_json::from_str(json).expect("a string")
}

fn assert_refusal(text: &str, message: &Message, refusal: &Refusal) {
    let id = message.id.as_ref();
    assert!(refusal.message.len() <= MAX_MESSAGE_BYTES, "{refusal:?}");
    let frame = message.dialect.error(refusal, id, text, &no_groups);
    let answer = object(&frame);
    assert_eq!(answer["type"], "error");
    assert_eq!(answer["message"], refusal.message);
    assert_eq!(answer["code"], refusal.code.fields().0);
    let own: &[&str] = match message.dialect {
        Dialect::V0_7 => &["code", "message", "type"],
        Dialect::Plain | Dialect::V1 => &["code", "error", "message", "retry", "type"],
    };
    assert_keys(&answer, own, id);
    assert_echoed(&frame, id);
}

/// The models have only groups of one key.
fn no_groups(_: &str, _: &[&str]) -> Option<Arc<[&'static str]>> {
    None
}

/// The models have groups of any keys.
fn all_groups(_: &str, _: &[&str]) -> Option<Arc<[&'static str]>> {
    Some(["list_id", "course_id"].into())
}

/// Asserts that an error about a request names its group in the plain dialect, if it is short.
fn assert_named(text: &str, message: &Message, request: &Request) {
    let (Request::Subscribe { target, .. } | Request::UnsubscribeFrom(target)) = request else {
        return;
    };
    let refusal = Refusal::new(ErrorCode::Internal, "the server failed");
    let id = message.id.as_ref();
    for order in [no_groups, all_groups] {
        let frame = message.dialect.error(&refusal, id, text, &order);
        assert!(frame.as_str().len() <= text.len() + MAX_MESSAGE_BYTES);
        let answer = object(&frame);
        match (message.dialect, &target.group) {
            (Dialect::Plain, GroupSelector::Keys(keys)) => {
                let is_group = keys.len() == 1 || order(&target.model, &[]).is_some();
                let values: Option<serde_json::Map<_, _>> =
                    keys.iter().map(|key| entry(key)).collect();
                match values.filter(|_| is_group) {
                    None => assert!(!answer.contains_key("group")),
                    Some(_) if text.len() > MAX_NAMED_TEXT_BYTES => {}
                    Some(values) => {
                        assert_eq!(answer["model"], *target.model);
                        assert_eq!(answer["group"], Value::Object(values));
                    }
                }
            }
            (Dialect::Plain, GroupSelector::AmongKwargs(_)) => unreachable!("this is of 0.7"),
            (Dialect::V1 | Dialect::V0_7, _) => assert!(!answer.contains_key("group")),
        }
    }
}

/// Returns a key with its value, if that could be parsed.
fn entry((key, value): &RequestedKey) -> Option<(String, Value)> {
    Some((key.clone(), value.as_ref().ok()?.clone()))
}

fn assert_request(message: &Message, request: &Request) {
    let (dialect, id) = (message.dialect, message.id.as_ref());
    let kinds = [
        KeyKind::Bool,
        KeyKind::Integer {
            min: i64::MIN.into(),
            max: i64::MAX.into(),
        },
        KeyKind::Text,
        KeyKind::Uuid,
        KeyKind::Composite([KeyKind::Text, KeyKind::Bool].into()),
    ];
    match request {
        Request::Ignored => {}
        Request::Ping => assert_echoed(&v1::pong(id), id),
        Request::Sync { cursor } => {
            assert_eq!(dialect, Dialect::V1);
            let id = id.expect("a sync request has an id");
            let cursor = cursor.as_ref().and_then(|cursor| cursor.parse().ok());
            let cursor = cursor.unwrap_or_else(|| Cursor {
                epoch: Epoch::random(),
                position: 7,
            });
            let answer = v1::synced(id, &cursor);
            assert_keys(&object(&answer), &["cursor", "type"], Some(id));
            assert_echoed(&answer, Some(id));
            assert_eq!(object(&answer)["cursor"], cursor.to_string());
        }
        Request::Auth(token) => {
            assert_eq!(dialect, Dialect::V1);
            assert_eq!(format!("{token:?}"), "Token(..)");
            let answer = v1::authenticated(id, Some(600_000));
            assert_keys(&object(&answer), &["expires_ms", "type"], id);
            assert_echoed(&answer, id);
        }
        Request::Unsubscribe => {
            let answer = dialect.unsubscribed(id);
            assert_eq!(answer.is_some(), dialect == Dialect::V1);
            if let Some(answer) = answer {
                assert_keys(&object(&answer), &["type"], id);
                assert_echoed(&answer, id);
            }
        }
        Request::UnsubscribeFrom(target) => {
            assert_eq!(dialect, Dialect::Plain);
            assert_target(&kinds, target, |_, _| {});
        }
        Request::Subscribe { target, since, .. } => {
            assert!(since.is_none() || dialect == Dialect::V1);
            if let Some(cursor) = since.as_ref().and_then(|s| s.parse::<Cursor>().ok()) {
                assert_eq!(cursor.to_string().parse(), Ok(cursor));
            }
            assert_target(&kinds, target, |names, value| {
                let group = GroupName { names, value };
                assert_frames(dialect, id, &target.model, group);
            });
        }
    }
}

/// Asserts that every value that a column can hold survives a round trip. Passes each group that a
/// request can name to `each`: its keys and its value.
fn assert_target(kinds: &[KeyKind], target: &Target, mut each: impl FnMut(&[&str], &KeyValue)) {
    let named: Vec<(String, Value)> = match &target.group {
        GroupSelector::Keys(keys) => keys.iter().filter_map(entry).collect(),
        GroupSelector::AmongKwargs(kwargs) => kwargs.clone().into_iter().collect(),
    };
    // The group of the first keys: of none, of two, and so on.
    let (mut names, mut values) = (Vec::new(), Vec::new());
    each(&names, &KeyValue::Composite([].into()));
    for (key, value) in &named {
        let mut last = None;
        for kind in kinds {
            let Ok(value) = kind.read(value) else {
                continue;
            };
            let written = serde_json::to_value(&value).expect("a key is JSON");
            assert_eq!(kind.read(&written).ok().as_ref(), Some(&value));
            each(&[key], &value);
            last = Some(value);
        }
        if values.len() < MAX_COMBINED_KEYS {
            names.extend(last.is_some().then_some(&**key));
            values.extend(last);
            if values.len() > 1 {
                each(&names, &KeyValue::Composite(values.clone().into()));
            }
        }
    }
}

/// Asserts that frames which repeat the client's text are valid.
fn assert_frames(dialect: Dialect, id: Option<&Id>, model: &str, group: GroupName<'_>) {
    let cursor = &Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let payload = &RawValue::from_string("{}".to_owned()).expect("JSON");
    let broadcast = &Broadcast {
        model,
        group,
        action: Action::Deleted,
        payload,
        cursor,
        unit: None,
    };
    assert_unit(broadcast);
    let (broadcast, keys) = match (dialect, id) {
        (Dialect::Plain, _) => (plain::broadcast(broadcast), &["payload"][..]),
        (Dialect::V1, _) => (
            v1::broadcast(broadcast),
            &["cursor", "group", "payload", "type"][..],
        ),
        (Dialect::V0_7, id) => {
            let rest = v0_7::broadcast(broadcast, group.value, &["id"]);
            let id = id.expect("every subscription of 0.7 has an id");
            (v0_7::with_id(id, &rest), &["id", "instance", "type"][..])
        }
    };
    let broadcast = Frame::answer(&broadcast);
    let answer = object(&broadcast);
    let keys: Vec<_> = keys.iter().copied().chain(["action", "model"]).collect();
    assert_keys(&answer, &keys, None);
    assert_eq!(answer["model"], *model);
    if let Some(written) = answer.get("group") {
        let keys = written.as_object().expect("a group is an object").keys();
        let mut names = group.names.to_vec();
        names.sort_unstable();
        assert_eq!(keys.collect::<Vec<_>>(), names);
    }
    let subscribed = dialect.subscribed(id, model, group, cursor, true);
    assert_eq!(subscribed.is_some(), dialect == Dialect::V1);
    let reset = dialect.reset(id, model, ResetReason::Epoch, cursor);
    let revoked = dialect.revoked(id, ErrorCode::Revoked, model, group);
    let addressed = match dialect {
        Dialect::Plain => vec![],
        Dialect::V1 => subscribed.into_iter().chain([reset, revoked]).collect(),
        Dialect::V0_7 => vec![broadcast, revoked],
    };
    for frame in addressed {
        assert_echoed(&frame, id);
    }
}

/// Asserts that only v1 shows the unit of a broadcast, and that a replay can replace it.
fn assert_unit(alone: &Broadcast<'_>) {
    let end = &Cursor {
        position: alone.cursor.position + 2,
        ..alone.cursor.clone()
    };
    let broadcast = &Broadcast {
        unit: Some(end),
        ..*alone
    };
    assert_eq!(plain::broadcast(broadcast), plain::broadcast(alone));
    let value = alone.group.value;
    assert_eq!(
        v0_7::broadcast(broadcast, value, &["id"]),
        v0_7::broadcast(alone, value, &["id"])
    );
    let marked = Frame::answer(&v1::broadcast(broadcast));
    let answer = object(&marked);
    assert_keys(
        &answer,
        &[
            "action", "cursor", "group", "model", "payload", "type", "unit",
        ],
        None,
    );
    assert_eq!(answer["unit"], end.to_string());
    assert_eq!(
        v1::with_cursor(marked.as_str(), alone.cursor, None).as_str(),
        v1::broadcast(alone)
    );
    assert_eq!(
        v1::with_cursor(&v1::broadcast(alone), alone.cursor, Some(end)),
        marked
    );
    let answer = object(&v1::unit(end));
    assert_keys(&answer, &["cursor", "type"], None);
    assert_eq!(answer["cursor"], end.to_string());
}

fn object(frame: &Frame) -> serde_json::Map<String, Value> {
    // An id may be a number that no `Value` can hold, such as 1e999.
    let entries: BTreeMap<String, &RawValue> =
        serde_json::from_str(frame.as_str()).expect("a frame is a JSON object");
    let value = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    let entries = entries.into_iter();
    entries.map(|(key, raw)| (key, value(raw))).collect()
}

fn assert_keys(answer: &serde_json::Map<String, Value>, own: &[&str], id: Option<&Id>) {
    let mut expected: Vec<_> = own.iter().copied().chain(id.map(|_| "id")).collect();
    expected.sort_unstable();
    let keys: Vec<_> = answer.keys().map(String::as_str).collect();
    assert_eq!(keys, expected);
}

fn assert_echoed(frame: &Frame, id: Option<&Id>) {
    let entries: BTreeMap<String, &RawValue> =
        serde_json::from_str(frame.as_str()).expect("a frame is a JSON object");
    let echoed = entries.get("id").map(|raw| raw.get());
    assert_eq!(echoed, id.map(Id::as_json));
}
