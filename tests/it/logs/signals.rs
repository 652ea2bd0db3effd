//! What clients receive if a shared log is unreachable, if it is back, and if a server died.

use rest_live::{
    Live,
    log::{Cursor, Epoch, Tail},
    testing::Client,
};
use serde_json::{Value, json};

use crate::support::{ScriptedLog, database};

const PLAIN: &str = r#"{"model":"todolist.Task","list_id":1}"#;

fn v1(id: u32) -> Value {
    json!({"id": id, "model": "todolist.Task", "group": {"list_id": 1}})
}

/// Starts a server with a log that the test controls and that has begun.
async fn start() -> (Live, ScriptedLog, Cursor, crate::support::TestDatabase) {
    let (db, database) = database().await;
    let head = Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let log = ScriptedLog::new(head.clone());
    log.tell(Tail::Begin(head.clone()));
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    (live, log, head, database)
}

async fn subscribed(live: &Live, id: u32) -> Client {
    let mut client = Client::connect(live, ());
    client.send_json(v1(id)).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    client
}

#[tokio::test]
async fn v1_clients_receive_stale_and_live_once() {
    let (live, log, _, _database) = start().await;
    let mut two_ids = subscribed(&live, 1).await;
    two_ids.send_json(v1(2)).await;
    assert_eq!(two_ids.receive_json().await["type"], "subscribed");
    let mut plain = Client::connect(&live, ());
    plain.send_text(PLAIN).await;
    let mut idle = Client::connect(&live, ());

    log.tell(Tail::Away);
    assert_eq!(two_ids.receive_text().await, r#"{"type":"stale"}"#);
    // A client that subscribes meanwhile receives it after the answer, and only once.
    let mut late = subscribed(&live, 1).await;
    assert_eq!(late.receive_text().await, r#"{"type":"stale"}"#);
    late.send_json(v1(2)).await;
    assert_eq!(late.receive_json().await["type"], "subscribed");
    log.tell(Tail::Away);
    log.tell(Tail::Back);
    for client in [&mut two_ids, &mut late] {
        assert_eq!(client.receive_text().await, r#"{"type":"live"}"#);
    }
    for client in [&mut two_ids, &mut late, &mut plain, &mut idle] {
        client.receive_nothing().await;
    }
    subscribed(&live, 1).await.receive_nothing().await;
}

#[tokio::test]
async fn forgotten_cursor_is_expired() {
    let (live, _log, head, _database) = start().await;
    let mut client = subscribed(&live, 1).await;
    let before = Cursor {
        position: 3,
        ..head.clone()
    };
    let mut request = v1(2);
    request["since"] = json!(before.to_string());
    client.send_json(request).await;
    let subscribed = client.receive_json().await;
    let reset = client.receive_json().await;
    assert_eq!(subscribed["recovered"], false, "{subscribed}");
    assert_eq!(
        (&reset["id"], &reset["reason"]),
        (&json!(2), &json!("expired"))
    );
    assert_eq!(reset["cursor"], head.to_string());
}

#[tokio::test]
async fn dead_node_resets_each_id() {
    let (live, log, head, _database) = start().await;
    let mut client = subscribed(&live, 1).await;
    client.send_json(v1(2)).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    let cursor = Cursor {
        position: 20,
        ..head
    };
    log.tell(Tail::NodeLost(cursor.clone()));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut frame = client.receive_json().await;
        ids.push(frame["id"].take());
        let expected = json!({
            "type": "reset", "id": null, "reason": "node_lost", "cursor": cursor.to_string(), "retry_ms": [0, 5000],
        });
        assert_eq!(frame, expected);
    }
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, [1, 2]);
}
