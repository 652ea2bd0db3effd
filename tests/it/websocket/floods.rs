//! Floods of barriers and tokens, and requests that are as large as a message may be. They cost the
//! server little, and other clients lose nothing.

use std::collections::BTreeSet;

use rest_live::{
    Limits,
    log::{Cursor, Epoch, Tail},
};
use serde_json::{Value, json};

use crate::support::{App, Client, Node, ScriptedLog, database};

const LIST: &str = r#"{"model":"todolist.Task","list_id":1}"#;

/// Nearly as many bytes as a message may have.
const HUGE: usize = 60_000;

/// Sends barriers, and returns their answers that come before the answer to a later ping.
async fn flood(client: &mut Client, barriers: usize) -> Vec<Value> {
    for id in 0..barriers {
        client
            .send(&format!(r#"{{"type":"sync","id":{id}}}"#))
            .await;
    }
    client.send(r#"{"type":"ping","id":"last"}"#).await;
    let mut answers = Vec::new();
    loop {
        let answer = client.json().await;
        if answer["type"] == "pong" {
            return answers;
        }
        answers.push(answer);
    }
}

#[tokio::test]
async fn waiting_barriers_are_bounded() {
    const BARRIERS: usize = 500;
    let mut head = Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let log = ScriptedLog::new(head.clone());
    log.tell(Tail::Begin(head.clone()));
    let (db, _database) = database().await;
    let node = Node::start(db, Limits::default(), log.clone()).await;
    let mut other = node.client().await;
    other.subscribe(LIST).await;
    // The log is ahead of what this server has read.
    head.position = 8;
    log.lose_up_to(&head);
    let reset = other.json().await;
    assert_eq!(reset["code"], 410, "{reset}");
    let behind = Cursor {
        position: 9,
        ..head.clone()
    };
    log.set_head(&behind);

    let mut client = node.client().await;
    let refused = flood(&mut client, BARRIERS).await;
    for answer in &refused {
        assert_eq!(
            (&answer["code"], &answer["retry"]),
            (&json!(429), &json!(true)),
            "{answer}"
        );
    }
    let waiting = BARRIERS - refused.len();
    assert!((1..=64).contains(&waiting), "{waiting} barriers wait");
    // Meanwhile another client is served.
    other.subscribe(r#"{"model":"todolist.Task","pk":1}"#).await;
    log.lose_up_to(&behind);
    let mut ids = BTreeSet::new();
    for _ in 0..waiting {
        let answer = client.json().await;
        assert_eq!(answer["type"], "synced", "{answer}");
        ids.insert(answer["id"].as_u64().unwrap());
    }
    assert_eq!(ids, (0..waiting as u64).collect());
    // The places are free again.
    assert_eq!(flood(&mut client, 1).await.len(), 1);
}

#[tokio::test]
async fn barrier_in_the_future_is_refused() {
    let app = App::start().await;
    app.insert_task(1, "so that the log has a position", 1)
        .await;
    let mut client = app.client().await;
    client.send(r#"{"type":"sync","id":1}"#).await;
    let reached: Cursor = client.json().await["cursor"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let cursor = |position, epoch| Cursor { epoch, position };
    let (now, epoch) = (reached.position, reached.epoch.clone());
    for unknown in [
        cursor(now + 1, epoch.clone()),
        cursor(u64::MAX, epoch),
        cursor(now, Epoch::random()),
    ] {
        let request = json!({"type": "sync", "id": 2, "cursor": unknown.to_string()});
        client.send(&request.to_string()).await;
        let answer = client.json().await;
        assert_eq!(
            (&answer["code"], &answer["id"]),
            (&json!(410), &json!(2)),
            "{answer}"
        );
    }
    for malformed in [json!("…"), json!(""), json!("x".repeat(HUGE)), json!(7)] {
        let request = json!({"type": "sync", "id": 3, "cursor": malformed});
        client.send(&request.to_string()).await;
        let answer = client.text().await;
        assert!(answer.len() < 1024, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["code"] == 400 || answer["code"] == 410, "{answer}");
        assert_eq!(answer["id"], 3, "{answer}");
    }
}

/// One message may name thousands of keys.
#[tokio::test]
async fn huge_groups_are_refused_shortly() {
    let app = App::start().await;
    let keys: String = (0..)
        .map(|key| format!(r#""k{key}":{key},"#))
        .take(HUGE / 15)
        .collect();
    let keys = keys.trim_end_matches(',');
    let mut client = app.client().await;
    for request in [
        format!(r#"{{"id":1,"model":"todolist.Task","group":{{{keys}}}}}"#),
        format!(r#"{{"model":"todolist.Task",{keys}}}"#),
        format!(r#"{{"model":"todolist.Task","pk":1,{keys}}}"#),
        format!(r#"{{"id":1,"model":"todolist.Task","group":{{"list_id":1,{keys}}}}}"#),
        format!(
            r#"{{"id":1,"type":"subscribe","action":"list","model":"todolist.Task","view_kwargs":{{"pk":1,{keys}}}}}"#
        ),
    ] {
        client.send(&request).await;
        let answer = client.text().await;
        assert!(answer.len() < 4096, "{} bytes: {answer}", answer.len());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["code"] == 400 || answer["code"] == 404, "{answer}");
    }
    // In 0.7, keys that no group has are ignored.
    let request = format!(
        r#"{{"id":1,"type":"subscribe","action":"list","model":"todolist.Task","view_kwargs":{{"list_id":1,{keys}}}}}"#
    );
    client.subscribe(&request).await;
    app.insert_task(1, "of list 1", 1).await;
    assert_eq!(client.json().await["instance"]["id"], 1);
}

#[tokio::test]
async fn huge_tokens_are_refused_shortly() {
    let app = App::start().await;
    let mut other = app.client().await;
    other.subscribe(LIST).await;
    let mut client = app.client().await;
    let token = "x".repeat(HUGE);
    let mut codes = Vec::new();
    for id in 0..50 {
        let request = json!({"type": "auth", "id": id, "token": token});
        client.send(&request.to_string()).await;
        let answer = client.text().await;
        assert!(answer.len() < 1024, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        codes.push(answer["code"].as_u64().unwrap());
    }
    // A few are checked, and the others are too many.
    let checked = codes.iter().filter(|code| **code == 401).count();
    let refused = codes.iter().filter(|code| **code == 429).count();
    assert_eq!(checked + refused, codes.len(), "{codes:?}");
    assert!((1..=20).contains(&checked), "{codes:?}");
    app.insert_task(1, "for the other client", 1).await;
    assert_eq!(other.json().await["payload"]["id"], 1);
}
