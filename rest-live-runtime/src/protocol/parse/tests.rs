use serde_json::{Value, json};

use super::*;
use crate::protocol::{
    invariants,
    request::{GroupSelector, Target, Token},
};

/// Parses the first message of a connection.
fn first(text: &str) -> Message {
    parse(text, None, 64)
}

fn refused(text: &str) -> ErrorCode {
    first(text).request.expect_err(text).code
}

fn target(key: &str, value: Value) -> Target {
    target_of([(key, value)])
}

fn target_of<const N: usize>(keys: [(&str, Value); N]) -> Target {
    let keys = keys.map(|(key, value)| (key.to_owned(), Ok(value)));
    Target {
        model: "todolist.Task".to_owned(),
        group: GroupSelector::Keys(keys.into()),
    }
}

fn subscribe(target: Target) -> Request {
    Request::Subscribe {
        target,
        since: None,
        must_exist: false,
    }
}

#[test]
fn plain_requests_have_a_model_and_one_key() {
    for (text, expected) in [
        (
            r#"{"model":"todolist.Task","pk":1}"#,
            subscribe(target("pk", json!(1))),
        ),
        (
            r#"{"list_id":"1","model":"todolist.Task"}"#,
            subscribe(target("list_id", json!("1"))),
        ),
        (
            r#"{"model":"todolist.Task","action":1}"#,
            subscribe(target("action", json!(1))),
        ),
        (
            r#"{"model":"todolist.Task","pk":1,"unsubscribe":true}"#,
            Request::UnsubscribeFrom(target("pk", json!(1))),
        ),
        (
            r#"{"model":"todolist.Task","pk":1,"unsubscribe":false}"#,
            subscribe(target("pk", json!(1))),
        ),
    ] {
        let message = first(text);
        assert_eq!(message.request, Ok(expected), "{text}");
        assert_eq!((message.dialect, message.id), (Dialect::Plain, None));
    }
}

/// Whether the model has such a group is asked later.
#[test]
fn requests_can_have_any_number_of_keys() {
    let both = || target_of([("done", json!(true)), ("list_id", json!(1))]);
    for (text, expected) in [
        (r#"{"model":"todolist.Task"}"#, target_of([])),
        (
            r#"{"list_id":1,"model":"todolist.Task","done":true}"#,
            both(),
        ),
        (
            r#"{"id":7,"model":"todolist.Task","group":{}}"#,
            target_of([]),
        ),
        (
            r#"{"id":7,"model":"todolist.Task","group":{"list_id":1,"done":true}}"#,
            both(),
        ),
    ] {
        assert_eq!(first(text).request, Ok(subscribe(expected)), "{text}");
    }
    let text = r#"{"model":"todolist.Task","unsubscribe":true,"list_id":1,"done":true}"#;
    assert_eq!(first(text).request, Ok(Request::UnsubscribeFrom(both())));
}

#[test]
fn one_of_several_values_may_be_malformed() {
    let message = first(r#"{"model":"a","pk":1e999,"list_id":1}"#);
    let Ok(Request::Subscribe { target, .. }) = message.request else {
        panic!("{message:?}");
    };
    let GroupSelector::Keys(keys) = target.group else {
        panic!("{target:?}");
    };
    let malformed = |(key, value): &(String, Result<Value, Refusal>)| {
        (
            key.clone(),
            value.as_ref().err().map(|refusal| refusal.code),
        )
    };
    let malformed: Vec<_> = keys.iter().map(malformed).collect();
    let code = Some(ErrorCode::MalformedJson);
    assert_eq!(malformed, [("list_id".into(), None), ("pk".into(), code)]);
}

#[test]
fn other_json_is_refused() {
    for text in ["", "{", "nonsense", r#"{"model":"a","pk":1e999}"#, "{} {}"] {
        assert_eq!(refused(text), ErrorCode::MalformedJson, "{text}");
    }
    for text in [
        "[]",
        "1",
        "null",
        "{}",
        r#"{"model":1,"pk":1}"#,
        r#"{"pk":1}"#,
        r#"{"model":"a","pk":1,"unsubscribe":"yes"}"#,
        r#"{"model":"a","pk":1,"id":7}"#,
        r#"{"type":"subscribe","model":"a","group":{"pk":1}}"#,
        r#"{"id":1,"model":"a","group":1}"#,
        r#"{"id":1,"model":"a","group":{"pk":1},"since":7}"#,
        r#"{"id":1,"model":"a","group":{"pk":1},"action":"list"}"#,
        r#"{"id":1,"type":"publish"}"#,
        r#"{"id":1,"type":"auth"}"#,
        r#"{"id":1,"type":"auth","token":7}"#,
        r#"{"type":"auth","token":"secret"}"#,
        r#"{"id":1,"type":7}"#,
        r#"{"type":"sync"}"#,
        r#"{"type":"sync","cursor":"k3F9.181"}"#,
        r#"{"id":1,"type":"sync","cursor":7}"#,
        r#"{"id":1,"type":"subscribe","action":"create","model":"a"}"#,
        r#"{"id":1,"type":"subscribe","action":"retrieve","model":"a"}"#,
        r#"{"id":1,"type":"subscribe","action":"list","model":"a","view_kwargs":[]}"#,
    ] {
        assert_eq!(refused(text), ErrorCode::UnknownShape, "{text}");
    }
}

#[test]
fn deep_nesting_causes_no_recursion() {
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(
        refused(&format!(r#"{{"model":"a","pk":{deep}}}"#)),
        ErrorCode::MalformedJson
    );
    // The value of an unknown key is not parsed.
    let message = first(&format!(
        r#"{{"id":1,"model":"todolist.Task","group":{{"pk":1}},"x":{deep}}}"#
    ));
    assert_eq!(message.request, Ok(subscribe(target("pk", json!(1)))));
}

#[test]
fn v1_requests_have_an_id_and_maybe_a_type() {
    for text in [
        r#"{"id":7,"model":"todolist.Task","group":{"list_id":1}}"#,
        r#"{"id":7,"type":"subscribe","model":"todolist.Task","group":{"list_id":1},"since":null}"#,
    ] {
        let message = first(text);
        assert_eq!(message.request, Ok(subscribe(target("list_id", json!(1)))));
        assert_eq!(message.dialect, Dialect::V1);
        assert_eq!(message.id.as_ref().map(Id::as_json), Some("7"));
    }
    for (text, request) in [
        (r#"{"id":7,"type":"unsubscribe"}"#, Request::Unsubscribe),
        (
            r#"{"id":7,"type":"auth","token":"abc"}"#,
            Request::Auth(Token("abc".to_owned())),
        ),
        (r#"{"id":7,"type":"ping"}"#, Request::Ping),
        (r#"{"type":"ping"}"#, Request::Ping),
        (r#"{"type":"sync","id":9}"#, Request::Sync { cursor: None }),
        (
            r#"{"type":"sync","id":9,"cursor":null}"#,
            Request::Sync { cursor: None },
        ),
        (
            r#"{"cursor":"k3F9.181","id":9,"type":"sync"}"#,
            Request::Sync {
                cursor: Some("k3F9.181".to_owned()),
            },
        ),
        (r#"{"type":"pong"}"#, Request::Ignored),
    ] {
        assert_eq!(first(text).request, Ok(request), "{text}");
    }
    let since = first(r#"{"id":7,"model":"a","group":{"pk":1},"since":"k3F9.174"}"#);
    assert!(matches!(
        since.request,
        Ok(Request::Subscribe { since: Some(since), .. }) if since == "k3F9.174"
    ));
}

#[test]
fn reserved_group_keys_work_in_v1_only() {
    for key in ["id", "type", "model", "unsubscribe"] {
        let v1 = format!(r#"{{"id":7,"model":"a.B","group":{{"{key}":1}}}}"#);
        let Ok(Request::Subscribe { target, .. }) = first(&v1).request else {
            panic!("{v1}");
        };
        assert_eq!(
            target.group,
            GroupSelector::Keys(vec![(key.to_owned(), Ok(json!(1)))])
        );
        let plain = format!(r#"{{"model":"a.B","{key}":1}}"#);
        assert!(first(&plain).request.is_err(), "{plain}");
    }
}

#[test]
fn ids_are_echoed_and_limited_in_length() {
    let id = |json: &str| first(&format!(r#"{{"id":{json},"type":"ping"}}"#));
    for (json, echoed) in [
        ("0", "0"),
        ("-7.50", "-7.50"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        (r#""a""#, r#""a""#),
        (r#""\u0061""#, r#""a""#),
        (r#""""#, r#""""#),
    ] {
        assert_eq!(id(json).id.as_ref().map(Id::as_json), Some(echoed));
    }
    assert_eq!(id("null").id, None);
    let longest = format!("{:?}", "x".repeat(64));
    assert!(id(&longest).id.is_some());
    for json in [
        "true",
        "{}",
        "[1]",
        &format!("{:?}", "x".repeat(65)),
        &"1".repeat(65),
    ] {
        let message = id(json);
        assert_eq!(message.id, None);
        assert_eq!(message.request.expect_err(json).code, ErrorCode::BadId);
    }
}

#[test]
fn v0_7_requests_have_type_and_action() {
    let list = first(
        r#"{"type":"subscribe","id":0,"action":"list","view_kwargs":{"list_id":1},"query_params":{},"model":"todolist.Task"}"#,
    );
    assert_eq!(list.dialect, Dialect::V0_7);
    assert_eq!(list.id.as_ref().map(Id::as_json), Some("0"));
    let kwargs = json!({"list_id": 1});
    let Value::Object(kwargs) = kwargs else {
        unreachable!()
    };
    assert_eq!(
        list.request,
        Ok(subscribe(Target {
            model: "todolist.Task".to_owned(),
            group: GroupSelector::AmongKwargs(kwargs)
        }))
    );
    let retrieve = first(
        r#"{"type":"subscribe","id":1,"action":"retrieve","lookup_by":7,"view_kwargs":{},"query_params":{},"model":"todolist.Task"}"#,
    );
    assert_eq!(
        retrieve.request,
        Ok(Request::Subscribe {
            target: target("pk", json!(7)),
            since: None,
            must_exist: true
        })
    );
    let without_id = first(r#"{"type":"subscribe","action":"list","model":"todolist.Task"}"#);
    assert_eq!(without_id.request, Ok(Request::Ignored));
}

#[test]
fn other_shapes_are_answered_in_the_dialect() {
    let plain = r#"{"model":"todolist.Task","pk":1}"#;
    let v1 = r#"{"id":7,"model":"todolist.Task","group":{"pk":1}}"#;
    let v0_7 =
        r#"{"type":"subscribe","id":7,"action":"retrieve","lookup_by":1,"model":"todolist.Task"}"#;
    for (selected, text) in [
        (Dialect::Plain, v1),
        (Dialect::Plain, v0_7),
        (Dialect::V1, plain),
        (Dialect::V1, v0_7),
    ] {
        let message = parse(text, Some(selected), 64);
        assert_eq!(message.dialect, selected);
        let refusal = message.request.expect_err(text);
        assert_eq!(refusal.code, ErrorCode::WrongDialect, "{text}");
    }
    let message = parse(v1, Some(Dialect::V0_7), 64);
    assert_eq!(message.dialect, Dialect::V0_7);
    assert!(message.request.is_err());
    let message = parse(plain, Some(Dialect::V0_7), 64);
    assert_eq!(message.request, Ok(Request::Ignored));
    let message = parse("{", Some(Dialect::V0_7), 64);
    assert_eq!(message.dialect, Dialect::V0_7);
}

/// The corpus covers every path of a message through the parser.
#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/requests");
    let mut messages = 0;
    for file in std::fs::read_dir(corpus).expect(corpus) {
        let path = file.expect("an entry of the folder").path();
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        // Like the fuzzer, use the text before the first byte that is not UTF-8.
        let chunk = bytes.utf8_chunks().next();
        let text = chunk.map_or("", |chunk| chunk.valid());
        let held = std::panic::catch_unwind(|| invariants::assert_invariants(text));
        held.unwrap_or_else(|_| panic!("{} does not hold: {text}", path.display()));
        messages += 1;
    }
    assert!(messages > 50, "{messages} messages in {corpus}");
}
