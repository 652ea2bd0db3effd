//! The dialect v1 beyond its golden frames: the subprotocol, the pings, the limits, the resets.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rest_live::{
    Limits, Live,
    log::{Cursor, Epoch},
    transport::{Io, Outgoing, Session},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    entities::{note, seat},
    support::{
        App, Client, Dialect, ScriptedLog, Template, assert_error, database, raw_offering, soon,
    },
};

const SUBPROTOCOL: &str = "rest-live.v1";

#[tokio::test]
async fn subprotocol_is_echoed_only_if_offered() {
    let app = App::start().await;
    for (offers, is_taken) in [
        (&["rest-live.v1"][..], true),
        (&["graphql-ws, rest-live.v1"], true),
        (&["graphql-ws", "rest-live.v1,other"], true),
        (&[], false),
        (&["graphql-ws"], false),
        (&["rest-live.v10"], false),
        (&["REST-LIVE.V1"], false),
    ] {
        let head = raw_offering(&app, offers).await;
        let echo = head
            .lines()
            .find(|line| line.starts_with("sec-websocket-protocol"));
        let taken = is_taken.then_some("sec-websocket-protocol: rest-live.v1");
        assert_eq!(echo, taken, "{offers:?}");
    }
    // Without it the server sends no greeting.
    let mut client = app.client().await;
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn hello_has_the_limits_of_the_connection() {
    let limits = Limits::default()
        .ping_interval(Duration::from_secs(7))
        .max_subscriptions(3)
        .max_message_bytes(1000);
    let app = App::start_with(limits).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut hello = app.client_of(SUBPROTOCOL).await.json().await;
        let session = hello["session"].take();
        assert_eq!(
            hello,
            json!({"type": "hello", "session": null, "ping_ms": 7000, "max_subscriptions": 3, "max_message_bytes": 1000})
        );
        sessions.push(session.as_str().unwrap().to_owned());
    }
    assert_ne!(sessions[0], sessions[1]);
}

/// Browsers hide the pings of the websocket protocol from scripts, so v1 has ping messages.
#[tokio::test]
async fn subprotocol_client_receives_ping_messages() {
    const INTERVAL: Duration = Duration::from_millis(50);
    let limits = Limits::default().ping_interval(INTERVAL);
    let app = App::start_with(limits).await;
    let start = Instant::now();
    let mut client = app.client_of(SUBPROTOCOL).await;
    assert_eq!(client.json().await["ping_ms"], 50);
    let mut template = Template::default();
    for _ in 0..3 {
        let ping = client.text().await;
        template.assert(r#"{"type":"ping","cursor":"<cursor>"}"#, &ping);
    }
    assert!(start.elapsed() >= 3 * INTERVAL, "{:?}", start.elapsed());
}

#[tokio::test]
async fn other_clients_receive_no_ping_message() {
    let limits = Limits::default().ping_interval(Duration::from_millis(20));
    let app = App::start_with(limits).await;
    for request in [
        r#"{"model":"todolist.Task","pk":1}"#,
        r#"{"id":1,"model":"todolist.Task","group":{"pk":1}}"#,
        r#"{"type":"subscribe","id":1,"action":"list","view_kwargs":{"list_id":1},"model":"todolist.Task"}"#,
    ] {
        let mut client = app.client().await;
        client.send(request).await;
        let mut pings = 0;
        while pings < 3 {
            match soon("a ping", client.socket.next()).await {
                Some(Ok(Message::Ping(_))) => pings += 1,
                Some(Ok(Message::Text(text))) => {
                    assert!(text.contains(r#""subscribed""#), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn texts(session: &Session) -> Vec<String> {
    match soon("something to send", session.outgoing()).await {
        Outgoing::Frames(frames) => frames.iter().map(|f| f.as_str().to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

async fn frames(session: &Session) -> Vec<Value> {
    let frames = texts(session).await;
    let frames = frames.iter().map(|text| serde_json::from_str(text));
    frames.collect::<Result<_, _>>().unwrap()
}

fn error(id: &str, code: u16, error: &str) -> String {
    format!(
        r#"{{"type":"error","id":{id},"code":{code},"error":"{error}","message":"<message>","retry":true}}"#
    )
}

#[tokio::test]
async fn excess_subscription_is_refused_by_id() {
    let limits = Limits::default().max_subscriptions(2);
    let app = App::start_with(limits).await;
    let mut client = app.client().await;
    let mut subscribe = async |id: &str, list: i32| {
        let request =
            format!(r#"{{"id":{id},"model":"todolist.Task","group":{{"list_id":{list}}}}}"#);
        client.send(&request).await;
        client.text().await
    };
    for (id, list) in [("1", 1), ("2", 1)] {
        assert!(subscribe(id, list).await.contains(r#""type":"subscribed""#));
    }
    // A second id counts, even on a group that has a subscription.
    for list in [1, 2] {
        let answer = subscribe("3", list).await;
        Template::default().assert(&error("3", 429, "too_many_subscriptions"), &answer);
    }
    client.send(r#"{"type":"unsubscribe","id":1}"#).await;
    client.expect(r#"{"type":"unsubscribed","id":1}"#).await;
    client
        .send(r#"{"id":3,"model":"todolist.Task","group":{"list_id":2}}"#)
        .await;
    assert_eq!(client.json().await["type"], "subscribed");
}

#[tokio::test]
async fn excess_messages_and_resumes_are_refused_by_id() {
    let limits = Limits::default().resume_rate(1, 2);
    let app = App::start_with(limits.clone()).await;
    let mut client = app.client().await;
    // The server grants one more per second, so this may take a few requests.
    let mut granted = 0;
    let refused = loop {
        let request = format!(
            r#"{{"id":{granted},"model":"todolist.Task","group":{{"pk":1}},"since":"a.1"}}"#
        );
        client.send(&request).await;
        let answer = client.text().await;
        if !answer.contains(r#""type":"subscribed""#) {
            break answer;
        }
        assert_eq!(client.json().await["type"], "reset");
        granted += 1;
    };
    assert!(granted >= 2, "{granted}");
    let id = granted.to_string();
    Template::default().assert(&error(&id, 429, "too_many_resumes"), &refused);
    // Without `since` it is not a resume.
    client
        .send(r#"{"id":"fresh","model":"todolist.Task","group":{"pk":1}}"#)
        .await;
    assert_eq!(client.json().await["type"], "subscribed");

    let limits = limits.message_rate(1, 2);
    let app = App::start_with(limits).await;
    let mut client = app.client().await;
    let mut pongs = 0;
    let refused = loop {
        client
            .send(&format!(r#"{{"type":"ping","id":{pongs}}}"#))
            .await;
        let answer = client.text().await;
        if !answer.contains("pong") {
            break answer;
        }
        pongs += 1;
    };
    assert!(pongs >= 2, "{pongs}");
    let id = pongs.to_string();
    Template::default().assert(&error(&id, 429, "too_many_messages"), &refused);
}

/// Asserts the content of resets, and returns their ids in order.
fn ids_of_resets(frames: Vec<Value>, reason: &str, cursor: &Cursor) -> Vec<Value> {
    let mut ids = Vec::new();
    for mut frame in frames {
        ids.push(frame["id"].take());
        assert_eq!(
            frame,
            json!({"type": "reset", "id": null, "reason": reason, "cursor": cursor.to_string(), "retry_ms": [0, 5000]})
        );
    }
    ids.sort_by_key(Value::to_string);
    ids
}

#[tokio::test]
async fn lost_events_reset_each_id() {
    let (db, _database) = database().await;
    let start = Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let log = ScriptedLog::new(start.clone());
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    let session = live.connect(());
    for request in [
        r#"{"id":1,"model":"todolist.Task","group":{"list_id":1}}"#,
        r#"{"id":"1","model":"todolist.Task","group":{"list_id":1}}"#,
        r#"{"id":2,"model":"it.Device","group":{"active":true}}"#,
        r#"{"id":3,"model":"it.Device","group":{"active":true}}"#,
        r#"{"type":"unsubscribe","id":3}"#,
    ] {
        session.receive(request).await;
        frames(&session).await;
    }
    let ids = [json!("1"), json!(1), json!(2)];
    let head = Cursor {
        position: 20,
        ..start
    };
    log.lose_up_to(&head);
    assert_eq!(ids_of_resets(frames(&session).await, "lagged", &head), ids);

    // The client continues from the cursor of the reset.
    let request =
        format!(r#"{{"id":4,"model":"todolist.Task","group":{{"pk":1}},"since":"{head}"}}"#);
    session.receive(&request).await;
    let [subscribed] = &frames(&session).await[..] else {
        panic!("expected one answer");
    };
    assert_eq!(
        (&subscribed["recovered"], &subscribed["cursor"]),
        (&json!(true), &json!(head.to_string()))
    );

    let restarted = Cursor {
        epoch: Epoch::random(),
        position: 3,
    };
    log.lose_up_to(&restarted);
    let ids = [json!("1"), json!(1), json!(2), json!(4)];
    assert_eq!(
        ids_of_resets(frames(&session).await, "epoch", &restarted),
        ids
    );
}

#[tokio::test]
async fn unreachable_log_is_unavailable() {
    let (db, _database) = database().await;
    let log = ScriptedLog::new(Cursor {
        epoch: Epoch::random(),
        position: 7,
    });
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    let session = live.connect(());
    log.break_down();
    session
        .receive(r#"{"id":1,"model":"todolist.Task","group":{"pk":1}}"#)
        .await;
    let [answer] = &texts(&session).await[..] else {
        panic!("expected one answer");
    };
    Template::default().assert(&error("1", 503, "unavailable"), answer);
    session.receive(r#"{"model":"todolist.Task","pk":1}"#).await;
    let [answer] = &texts(&session).await[..] else {
        panic!("expected one answer");
    };
    assert_error(answer, 503, "unavailable", true);
}

/// On any kind of stream, and on a TCP connection.
#[tokio::test]
async fn failing_server_closes_with_1011() {
    let (here, there) = tokio::io::duplex(4096);
    closes_with_1011(here, there).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap());
    let (here, accepted) = tokio::join!(here, listener.accept());
    closes_with_1011(here.unwrap(), accepted.unwrap().0).await;
}

async fn closes_with_1011(here: impl Io, there: impl Io) {
    let (db, _database) = database().await;
    let log = ScriptedLog::new(Cursor {
        epoch: Epoch::random(),
        position: 7,
    });
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    live.accept((), async { Ok((there, Vec::new())) });
    let mut socket = WebSocketStream::from_raw_socket(here, Role::Client, None).await;
    log.panic();
    let request = r#"{"id":1,"model":"todolist.Task","group":{"pk":1}}"#;
    socket.send(Message::text(request)).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = soon("the close", socket.next()).await else {
        panic!("a close frame was expected");
    };
    assert_eq!(u16::from(close.code), 1011);
    assert!(!close.reason.contains("a log that fails"), "{close:?}");
}

#[tokio::test]
async fn keys_are_written_as_in_payloads() {
    let app = App::start().await;
    let mut client = app.client().await;
    let mut subscribe = async |id: u32, model: &str, group: &str| {
        let request = format!(r#"{{"id":{id},"model":"{model}","group":{group}}}"#);
        client.send(&request).await;
        let answer = client.text().await;
        let start = format!(
            r#"{{"type":"subscribed","id":{id},"model":"{model}","group":{group},"cursor":""#
        );
        assert!(answer.starts_with(&start), "{answer}");
    };
    subscribe(1, "it.Seat", r#"{"pk":["red",7]}"#).await;
    subscribe(2, "it.StickyNote", r#"{"pk":"ünï \"quoted\""}"#).await;
    let seat = seat::ActiveModel {
        hall: Set("red".to_owned()),
        number: Set(7),
        guest: Set(None),
    };
    seat.insert(&app.db()).await.unwrap();
    assert_begins(&mut client, r#"{"type":"broadcast","model":"it.Seat","group":{"pk":["red",7]},"action":"CREATED","payload":{"hall":"red","number":7,"guest":null},"cursor":""#).await;
    let note = note::ActiveModel {
        name: Set("ünï \"quoted\"".to_owned()),
        body: Set(String::new()),
        topic: Set(None),
    };
    note.insert(&app.db()).await.unwrap();
    assert_begins(&mut client, r#"{"type":"broadcast","model":"it.StickyNote","group":{"pk":"ünï \"quoted\""},"action":"CREATED","payload":{"name":"ünï \"quoted\"","body":"","topic":null},"cursor":""#).await;
    for wrong in [r#"["red"]"#, r#"[7,"red"]"#, r#""red""#] {
        client
            .send(&format!(
                r#"{{"id":3,"model":"it.Seat","group":{{"pk":{wrong}}}}}"#
            ))
            .await;
        assert_begins(
            &mut client,
            r#"{"type":"error","id":3,"code":400,"error":"bad_value","#,
        )
        .await;
    }
    app.assert_silent_in(Dialect::V1, &mut client).await;
}

async fn assert_begins(client: &mut Client, start: &str) {
    let received = client.text().await;
    assert!(received.starts_with(start), "{received}");
}
