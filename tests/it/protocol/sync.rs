//! `sync` of v1 beyond its golden frames: cursors that no log has, limits, and an unreachable log.

use std::time::{Duration, Instant};

use rest_live::{
    Live,
    log::{Cursor, Epoch, Tail},
    testing::Client,
    transport::{Outgoing, Session},
};
use serde_json::{Value, json};

use crate::support::{LogKind, ScriptedLog, Servers, database, soon};

fn at(epoch: &Epoch, position: u64) -> Cursor {
    Cursor {
        epoch: epoch.clone(),
        position,
    }
}

/// Returns a log at position 7 that is at its head, and a server that has read so far.
async fn scripted() -> (Epoch, ScriptedLog, Live, crate::support::TestDatabase) {
    let (db, database) = database().await;
    let epoch = Epoch::random();
    let log = ScriptedLog::new(at(&epoch, 7));
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    log.tell(Tail::Begin(at(&epoch, 7)));
    (epoch, log, live, database)
}

fn assert_error(frame: &Value, id: u32, code: u16, error: &str, retry: bool) {
    let fields = ["type", "id", "code", "error", "retry"].map(|key| &frame[key]);
    let expected = [
        json!("error"),
        json!(id),
        json!(code),
        json!(error),
        json!(retry),
    ];
    assert_eq!(fields, expected.each_ref(), "{frame}");
}

#[tokio::test]
async fn cursor_that_no_event_has_is_410() {
    for kind in [LogKind::Memory, LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        let live = servers.live().await;
        let mut client = Client::connect(&live, ());
        client.send_json(json!({"type": "sync", "id": 0})).await;
        let synced = client.receive_json().await;
        let head: Cursor = synced["cursor"].as_str().unwrap().parse().unwrap();
        let ahead = at(&head.epoch, head.position + 1000).to_string();
        let elsewhere = at(&Epoch::random(), head.position).to_string();
        for (id, cursor) in (1..).zip(["", "no cursor", &ahead, &elsewhere]) {
            let sync = json!({"type": "sync", "id": id, "cursor": cursor});
            client.send_json(sync).await;
            let answer = client.receive_json().await;
            assert_error(&answer, id, 410, "unknown_cursor", false);
        }
        let sync = json!({"type": "sync", "id": 9, "cursor": head.to_string()});
        client.send_json(sync).await;
        assert_eq!(client.receive_json().await["type"], "synced");
    }
}

#[tokio::test]
async fn waiting_syncs_are_bounded_and_delay_nothing() {
    let (epoch, log, live, _database) = scripted().await;
    let mut client = Client::connect(&live, ());
    client.send_json(json!({"type": "sync", "id": 0})).await;
    assert_eq!(client.receive_json().await["type"], "synced");
    // The server has not read so far.
    let head = at(&epoch, 8);
    log.advance(&head);
    for id in 1..=16 {
        client.send_json(json!({"type": "sync", "id": id})).await;
    }
    client.send_json(json!({"type": "sync", "id": 17})).await;
    let refused = client.receive_json().await;
    assert_error(&refused, 17, 429, "too_many_syncs", true);
    // One that is reached already needs no place, and neither do other requests.
    let reached = at(&epoch, 7).to_string();
    let sync = json!({"type": "sync", "id": 18, "cursor": reached});
    client.send_json(sync).await;
    assert_eq!(client.receive_json().await["id"], 18);
    client.send_json(json!({"type": "ping", "id": 19})).await;
    assert_eq!(client.receive_json().await["type"], "pong");

    log.tell(Tail::Entries {
        entries: Vec::new(),
        watermark: head.clone(),
        as_of: None,
    });
    let mut ids = Vec::new();
    for _ in 0..16 {
        let synced = client.receive_json().await;
        assert_eq!(synced["type"], "synced", "{synced}");
        assert_eq!(synced["cursor"], head.to_string());
        ids.push(synced["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert!(ids.into_iter().eq(1..=16));
    // Their places are free again.
    client.send_json(json!({"type": "sync", "id": 20})).await;
    assert_eq!(client.receive_json().await["type"], "synced");
}

async fn next(session: &Session) -> Value {
    match session.outgoing().await {
        Outgoing::Frames(frames) => {
            assert_eq!(frames.len(), 1, "{frames:?}");
            serde_json::from_str(frames[0].as_str()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn unreachable_log_is_503_after_ten_seconds() {
    let (epoch, log, live, _database) = scripted().await;
    let session = live.connect(());
    session.receive(r#"{"type":"sync","id":0}"#).await;
    assert_eq!(soon("an answer", next(&session)).await["type"], "synced");
    log.break_down();
    let start = Instant::now();
    session.receive(r#"{"type":"sync","id":1}"#).await;
    let answer = soon("the error", next(&session)).await;
    assert_error(&answer, 1, 503, "unavailable", true);
    assert!(start.elapsed() >= Duration::from_secs(10));
    // A log that comes back in time is waited for.
    session.receive(r#"{"type":"sync","id":2}"#).await;
    log.advance(&at(&epoch, 7));
    let answer = soon("the answer", next(&session)).await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("synced"), &json!(2))
    );
}

#[tokio::test]
async fn waiting_sync_ends_with_its_server() {
    let (epoch, log, live, _database) = scripted().await;
    let session = live.connect(());
    session.receive(r#"{"type":"sync","id":0}"#).await;
    assert_eq!(soon("an answer", next(&session)).await["type"], "synced");
    log.advance(&at(&epoch, 8));
    session.receive(r#"{"type":"sync","id":1}"#).await;
    drop(live);
    let answer = soon("the end", next(&session)).await;
    assert_error(&answer, 1, 503, "unavailable", true);
}

#[tokio::test]
async fn reset_comes_before_synced() {
    let (epoch, log, live, _database) = scripted().await;
    let mut client = Client::connect(&live, ());
    let subscribe = json!({"id": 1, "model": "todolist.Task", "group": {"pk": 1}});
    client.send_json(subscribe).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    log.advance(&at(&epoch, 9));
    client.send_json(json!({"type": "sync", "id": 2})).await;
    log.lose_up_to(&at(&epoch, 9));
    assert_eq!(client.receive_json().await["type"], "reset");
    assert_eq!(client.receive_json().await["type"], "synced");
}
