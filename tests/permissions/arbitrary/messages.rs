//! Random messages of clients: valid ones in every dialect, nearly valid ones, and arbitrary text.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use crate::writes::{ids, levels, lists, tables};

/// A JSON object as pairs of key and raw text. It can hold what no JSON library would write.
type Draft = Vec<(String, String)>;

pub fn messages() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => valid_message().prop_map(|draft| serialize(&draft)).boxed(),
        4 => (valid_message(), vec(mutations(), 1..=2)).prop_map(|(draft, mutations)| {
            let mut draft = draft;
            mutations.iter().for_each(|mutation| mutation.mutate(&mut draft));
            serialize(&draft)
        }),
        1 => (valid_message(), any::<usize>(), any::<char>()).prop_map(|(draft, index, char)| {
            let mut chars: Vec<_> = serialize(&draft).chars().collect();
            let index = index % chars.len();
            chars[index] = char;
            chars.into_iter().collect()
        }),
        1 => (valid_message(), any::<usize>()).prop_map(|(draft, length)| {
            let text = serialize(&draft);
            text.chars().take(length % text.len()).collect()
        }),
        1 => hostile_text(),
    ]
}

fn serialize(draft: &Draft) -> String {
    let entries = draft
        .iter()
        .map(|(key, value)| format!("{}:{value}", json!(key)));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

fn valid_message() -> BoxedStrategy<Draft> {
    let model = || {
        let known = tables().prop_map(|table| table.label());
        prop_oneof![9 => known, 1 => Just("permissions.Unknown")].prop_map(|label| json!(label))
    };
    let group = || {
        prop_oneof![
            3 => ids().prop_map(|id| json!({"pk": id})),
            3 => lists().prop_map(|list| json!({"list_id": list})),
            2 => (lists(), levels()).prop_map(|(list, level)| json!({"list_id": list, "level": level})),
            2 => Just(json!({})),
        ]
    };
    let id = || {
        prop_oneof![
            (0..4).prop_map(|id| json!(id)),
            select(vec![json!("a"), json!("")])
        ]
    };
    let draft = |entries: &[(&str, &serde_json::Value)]| -> Draft {
        let entries = entries.iter();
        entries
            .map(|(key, value)| ((*key).to_owned(), value.to_string()))
            .collect()
    };
    let plain = (model(), group(), any::<bool>()).prop_map(move |(model, group, ends)| {
        let mut message = draft(&[("model", &model)]);
        let keys = group.as_object().unwrap().iter();
        message.extend(keys.map(|(key, value)| (key.clone(), value.to_string())));
        if ends {
            message.push(("unsubscribe".to_owned(), "true".to_owned()));
        }
        message
    });
    let since = select(vec![
        None,
        None,
        None,
        Some("k3F9.174"),
        Some("…"),
        Some("1.99999999999999999999"),
    ]);
    let v1 = (model(), group(), id(), since).prop_map(move |(model, group, id, since)| {
        let mut message = draft(&[("id", &id), ("model", &model), ("group", &group)]);
        message.extend(since.map(|since| ("since".to_owned(), json!(since).to_string())));
        message
    });
    let v0_7 = (model(), group(), id()).prop_map(move |(model, group, id)| {
        let mut message = draft(&[
            ("type", &json!("subscribe")),
            ("id", &id),
            ("model", &model),
        ]);
        message.extend(match group.get("pk") {
            Some(pk) => draft(&[("action", &json!("retrieve")), ("lookup_by", pk)]),
            None => draft(&[("action", &json!("list")), ("view_kwargs", &group)]),
        });
        message
    });
    let verbs = select(vec!["unsubscribe", "unsubscribe", "ping", "pong", "sync"]);
    let verb =
        (id(), verbs).prop_map(move |(id, verb)| draft(&[("type", &json!(verb)), ("id", &id)]));
    let tokens = select(vec!["nobody", "one", "two", "admin", "wrong", ""]);
    let auth = (id(), tokens).prop_map(move |(id, token)| {
        draft(&[
            ("type", &json!("auth")),
            ("id", &id),
            ("token", &json!(token)),
        ])
    });
    let cursor = select(vec![None, None, Some("k3F9.174"), Some("…")]);
    let sync = (id(), cursor).prop_map(move |(id, cursor)| {
        let mut message = draft(&[("type", &json!("sync")), ("id", &id)]);
        message.extend(cursor.map(|cursor| ("cursor".to_owned(), json!(cursor).to_string())));
        message
    });
    // Boxed, because the value of a union is as large as those of all its parts.
    let subscribe = prop_oneof![plain.boxed(), v1.boxed(), v0_7.boxed()];
    let other = prop_oneof![2 => verb.boxed(), 1 => auth.boxed(), 1 => sync.boxed()];
    prop_oneof![9 => subscribe.boxed(), 4 => other.boxed()].boxed()
}

#[derive(Clone, Debug)]
enum Mutation {
    Remove(usize),
    Set(usize, String),
    Add(String, String),
    Duplicate(usize, String),
}

impl Mutation {
    fn mutate(&self, draft: &mut Draft) {
        let length = draft.len();
        let entry = |index: &usize| (length > 0).then(|| index % length);
        match self {
            Self::Remove(index) => _ = entry(index).map(|index| draft.remove(index)),
            Self::Set(index, value) => {
                _ = entry(index).map(|index| draft[index].1.clone_from(value));
            }
            Self::Add(key, value) => draft.push((key.clone(), value.clone())),
            Self::Duplicate(index, value) => {
                let again = entry(index).map(|index| (draft[index].0.clone(), value.clone()));
                draft.extend(again);
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let keys = select(vec![
        "id",
        "type",
        "action",
        "model",
        "group",
        "pk",
        "list_id",
        "since",
        "cursor",
        "token",
        "unit",
        "level",
        "unsubscribe",
        "lookup_by",
        "view_kwargs",
        "query_params",
        "owner",
        "",
    ]);
    let keys = keys.prop_map(str::to_owned);
    prop_oneof![
        any::<usize>().prop_map(Mutation::Remove),
        (any::<usize>(), junk()).prop_map(|(index, value)| Mutation::Set(index, value)),
        (keys, junk()).prop_map(|(key, value)| Mutation::Add(key, value)),
        (any::<usize>(), junk()).prop_map(|(index, value)| Mutation::Duplicate(index, value)),
    ]
}

fn junk() -> impl Strategy<Value = String> {
    let known = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.0",
        "1e999",
        "-1e-999",
        "9223372036854775808",
        "[]",
        "{}",
        r#""1""#,
        r#""""#,
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\u0061""#,
        r#""subscribe""#,
        r#""sync""#,
        r#""auth""#,
        r#""permissions.Task""#,
        r#"{"pk":null}"#,
        r#"{"pk":1,"list_id":1}"#,
        r#"{"owner":1}"#,
        r#"{"level":0}"#,
        r#"{"level":0,"list_id":1}"#,
        r#"{"level":null,"list_id":1}"#,
        r#"{"list_id":1,"level":0,"owner":1}"#,
        r#"[1,2]"#,
        "nonsense",
        "",
    ];
    prop_oneof![
        6 => select(known.map(str::to_owned).to_vec()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<String>().prop_map(|text| json!(text).to_string()),
        1 => (1..200usize).prop_map(|length| json!("x".repeat(length)).to_string()),
        1 => (1..200usize).prop_map(|length| "7".repeat(length)),
        1 => (1..300usize).prop_map(|depth| nested(depth, "1")),
    ]
}

fn nested(depth: usize, inner: &str) -> String {
    format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        (1..20_000usize).prop_map(|depth| nested(depth, "")),
        (1..20_000usize).prop_map(|depth| "[".repeat(depth)),
        (1..5_000usize).prop_map(|depth| r#"{"model":"#.repeat(depth)),
        (1..60_000usize)
            .prop_map(|length| json!({"model": "m".repeat(length), "pk": 1}).to_string()),
    ]
}
