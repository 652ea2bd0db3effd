//! Ping messages carry the cursor up to which the connection was sent everything.

use std::time::Duration;

use rest_live::{
    Limits,
    testing::Client as TestClient,
    transport::{Handshake, Outgoing, Session},
};
use sea_orm::ActiveModelTrait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::Filter;

use crate::support::{App, Client, LogKind, Servers, task};

fn subscribe(list: i32, since: Option<&Value>) -> Value {
    json!({"id": 1, "model": "todolist.Task", "group": {"list_id": list}, "since": since})
}

/// A client receives nothing, while more events of other groups come than the server keeps.
#[tokio::test]
async fn idle_client_resumes_from_a_ping() {
    for kind in [LogKind::Memory, LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        let limits = Limits::default().ping_interval(Duration::from_millis(40));
        let builder = servers.builder().await.limits(limits).replay_capacity(4);
        let live = builder.build().unwrap();
        let ws = warp::path!("ws").and(rest_live::warp::subscriptions(&live));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let server = tokio::spawn(warp::serve(ws).incoming(listener).run());

        let (mut client, _) = Client::connect_offering(&url, Some("rest-live.v1")).await;
        assert_eq!(client.json().await["type"], "hello");
        client.send(&subscribe(1, None).to_string()).await;
        let mut first = Value::Null;
        while first.is_null() {
            let frame = client.json().await;
            if frame["type"] == "subscribed" {
                first = frame["cursor"].clone();
            }
        }
        for row in 1..=20 {
            task(row, "elsewhere", 2).insert(&live.db()).await.unwrap();
        }
        // The sync only shows when the server has read all of them.
        client.send(r#"{"type":"sync","id":2}"#).await;
        while client.json().await["type"] != "synced" {}
        let ping = client.json().await;
        assert_eq!(ping["type"], "ping", "{ping}");
        let last = ping["cursor"].clone();
        assert!(last.is_string() && last != first, "{ping}");
        drop(client);
        for row in 21..=23 {
            task(row, "elsewhere", 2).insert(&live.db()).await.unwrap();
        }
        for (since, recovered) in [(&first, false), (&last, true)] {
            let mut resumed = TestClient::connect(&live, ());
            resumed.send_json(subscribe(1, Some(since))).await;
            let answer = resumed.receive_json().await;
            assert_eq!(answer["recovered"], recovered, "{kind:?}: {answer}");
        }
        server.abort();
    }
}

async fn frames(session: &Session) -> Vec<Value> {
    match session.outgoing().await {
        Outgoing::Frames(frames) => frames
            .iter()
            .map(|frame| serde_json::from_str(frame.as_str()).unwrap())
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn types(frames: &[Value]) -> Vec<&str> {
    let types = frames.iter().map(|frame| frame["type"].as_str().unwrap());
    types.collect()
}

#[tokio::test]
async fn ping_follows_what_is_queued() {
    let app = App::start().await;
    let session = app.live.connect(Handshake::new(()).v1(true));
    session.receive(&subscribe(1, None).to_string()).await;
    frames(&session).await;
    let mut witness = TestClient::connect(&app.live, ());
    witness.send_json(subscribe(1, None)).await;
    witness.receive_json().await;
    app.insert_task(1, "a", 1).await;
    witness.receive_json().await;
    witness.receive_nothing().await;
    session.ping();
    let received = frames(&session).await;
    assert_eq!(types(&received), ["broadcast", "ping"]);
    assert_eq!(received[0]["cursor"], received[1]["cursor"]);
}

#[tokio::test]
async fn ping_of_a_slow_client_has_no_cursor() {
    let app = App::start_with(Limits::default().max_pending_messages(3)).await;
    let session = app.live.connect(Handshake::new(()).v1(true));
    session.receive(&subscribe(1, None).to_string()).await;
    frames(&session).await;
    let mut witness = TestClient::connect(&app.live, ());
    witness.send_json(subscribe(1, None)).await;
    witness.receive_json().await;
    for row in 1..=5 {
        app.insert_task(row, "a", 1).await;
        witness.receive_json().await;
    }
    session.ping();
    let received = frames(&session).await;
    let ping = received.iter().find(|frame| frame["type"] == "ping");
    assert_eq!(ping, Some(&json!({"type": "ping"})), "{received:?}");
}
