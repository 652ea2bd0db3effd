//! Sign-in by the message `auth`, and credentials that expire, on sockets and other streams.

use futures_util::{SinkExt, StreamExt};
use rest_live::{
    Limits,
    transport::{Handshake, Io},
};
use sea_orm::ActiveModelTrait;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{App, TOKEN};
use crate::support::{Client, Log, soon, task};

fn auth(token: &str) -> String {
    json!({"type": "auth", "id": 3, "token": token}).to_string()
}

const SUBSCRIBE: &str = r#"{"id":1,"model":"todolist.Task","group":{"list_id":1}}"#;

#[tokio::test]
async fn page_without_user_signs_in_by_message() {
    let log = Log::start();
    let app = App::start(Limits::default()).await;
    let mut page = app.page_without_user().await;
    for (request, id, error) in [
        (SUBSCRIBE, 1, "unauthenticated"),
        (&auth("swordfish-wrong"), 3, "invalid_token"),
    ] {
        page.send(request).await;
        let answer = page.json().await;
        assert_eq!((&answer["id"], &answer["code"]), (&json!(id), &json!(401)));
        assert_eq!(answer["error"], error);
    }
    page.send(&auth(TOKEN)).await;
    page.expect(r#"{"type":"authenticated","id":3}"#).await;
    page.send(SUBSCRIBE).await;
    assert_eq!(page.json().await["type"], "subscribed");
    let row = task(1, "milk", 1).insert(&app.live.db()).await;
    assert_eq!(page.json().await["payload"]["id"], row.unwrap().id);
    assert_eq!(app.live.disconnect(|user| user == "ada"), 1);
    assert_eq!(page.closed().await.0, 4403);
    let log = log.end();
    assert!(log.contains("a client authenticated"), "{log}");
    assert!(!log.contains("swordfish"), "{log}");
}

#[tokio::test]
async fn message_replaces_the_user_of_the_request() {
    let app = App::start(Limits::default()).await;
    let (mut page, _) = app.offering(&format!("rest-live.v1, bearer.{TOKEN}")).await;
    assert_eq!(page.json().await["type"], "hello");
    page.send(&auth("bob")).await;
    page.expect(r#"{"type":"authenticated","id":3}"#).await;
    assert_eq!(app.live.disconnect(|user| user == "ada"), 0);
    assert_eq!(app.live.disconnect(|user| user == "bob"), 1);
    assert_eq!(page.closed().await.0, 4403);
}

#[tokio::test]
async fn expired_token_of_the_request_closes_with_4401() {
    let app = App::start(Limits::default()).await;
    let url = format!("ws://{}/expiring", app.addr);
    for (token, warnings) in [("past", 0), ("short", 1)] {
        let offer = format!("rest-live.v1, bearer.{token}");
        let (mut page, _) = Client::connect_offering(&url, Some(&offer)).await;
        for _ in 0..warnings {
            assert_eq!(page.json().await["type"], "hello");
            assert_eq!(page.json().await["type"], "expiring");
        }
        assert_eq!(page.closed().await.0, 4401, "{token}");
    }
}

/// While rows are written, each of them arrives exactly once.
#[tokio::test]
async fn refresh_on_a_socket_has_no_gap() {
    let app = App::start(Limits::default().auth_rate(1000, 1000)).await;
    let mut page = app.page_without_user().await;
    page.send(&auth("short")).await;
    let answer = page.json().await;
    assert!(answer["expires_ms"].as_u64().unwrap() <= 500, "{answer}");
    page.send(SUBSCRIBE).await;
    assert_eq!(page.json().await["type"], "subscribed");
    let db = app.live.db();
    let writer = tokio::spawn(async move {
        for id in 1..=300 {
            task(id, "row", 1).insert(&db).await.unwrap();
        }
    });
    let (mut rows, mut refreshes) = (Vec::new(), 0);
    while rows.len() < 300 || refreshes < 30 {
        if refreshes < 30 {
            page.send(&auth(TOKEN)).await;
        }
        let frame = page.json().await;
        match frame["type"].as_str().unwrap() {
            "broadcast" => rows.push(frame["payload"]["id"].as_i64().unwrap()),
            "authenticated" => refreshes += 1,
            "expiring" => {}
            other => panic!("{other}: {frame}"),
        }
    }
    writer.await.unwrap();
    assert_eq!(rows, (1..=300).collect::<Vec<_>>());
}

/// On a stream that is not a TCP connection, its own task serves the session.
#[tokio::test]
async fn stream_expires_after_its_warning() {
    let app = App::start(Limits::default()).await;
    let (here, there) = tokio::io::duplex(4096);
    let handshake = Handshake::without_user();
    app.live
        .accept(handshake, async { Ok((there, Vec::new())) });
    let mut socket = websocket(here).await;
    socket.send(Message::text(auth("short"))).await.unwrap();
    let mut next = async || match soon("a frame", socket.next()).await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        Some(Ok(Message::Close(Some(close)))) => json!(u16::from(close.code)),
        other => panic!("{other:?}"),
    };
    let authenticated: Value = next().await;
    assert_eq!(authenticated["type"], "authenticated");
    assert_eq!(next().await["type"], "expiring");
    assert_eq!(next().await, 4401);
}

async fn websocket(stream: impl Io) -> WebSocketStream<impl Io> {
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}
