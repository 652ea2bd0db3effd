//! Clients that read too slowly are replayed what they missed. Clients that read nothing are
//! closed. Other clients are not affected.

mod catch_up;
mod throttled;

use std::collections::BTreeSet;

use futures_util::{SinkExt, StreamExt};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rest_live::{
    Limits,
    transport::{CloseCode, Outgoing, Session},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, TransactionTrait};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{
    entities::task as task_model,
    support::{App, TICK, raw, soon, task},
};

fn limits(pending_messages: usize) -> Limits {
    Limits::default().max_pending_messages(pending_messages)
}

async fn outgoing(session: &Session) -> Result<Vec<String>, CloseCode> {
    match soon("something to send", session.outgoing()).await {
        Outgoing::Frames(frames) => Ok(frames.iter().map(|f| f.as_str().to_owned()).collect()),
        Outgoing::Close(code) => Err(code),
        other => panic!("{other:?}"),
    }
}

/// Returns a subscribed session, which reads only if the test does. What has reached a witness of
/// list 1 is also in the queue of the session.
async fn session(app: &App) -> Session {
    let session = app.live.connect(());
    session
        .receive(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    session.receive(r#"{"model":"todolist.Task","pk":1}"#).await;
    session
        .receive(r#"{"model":"it.Device","active":true}"#)
        .await;
    session
}

/// Answers are not dropped, and do not count as broadcasts.
#[tokio::test]
async fn answers_survive_a_lag_and_drop_no_change() {
    let app = App::start_with(limits(3)).await;
    let mut witness = app.client().await;
    witness
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let slow = session(&app).await;
    for id in 2..=4 {
        app.insert_task(id, "pending", 1).await;
        witness.json().await;
    }
    app.assert_silent(&mut witness).await;
    slow.receive("nonsense").await;
    let shown = |frames: Vec<String>| {
        let shown = |frame: &String| {
            let json: serde_json::Value = serde_json::from_str(frame).unwrap();
            let error = json["error"].as_str().map(str::to_owned);
            error.unwrap_or_else(|| json["payload"]["id"].to_string())
        };
        frames.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(outgoing(&slow).await.unwrap()),
        ["2", "3", "4", "malformed_json"]
    );
    slow.receive("nonsense").await;
    for id in 5..=9 {
        app.insert_task(id, "too many", 1).await;
        witness.json().await;
    }
    app.assert_silent(&mut witness).await;
    assert_eq!(shown(outgoing(&slow).await.unwrap()), ["malformed_json"]);
    for id in 5..=9 {
        assert_eq!(shown(outgoing(&slow).await.unwrap()), [id.to_string()]);
    }
}

/// A client is slow because it does not read, not because a transaction is large.
#[tokio::test]
async fn reader_receives_a_large_transaction() {
    const ROWS: i32 = 40;
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let transaction = app.db().begin().await.unwrap();
    for id in 0..ROWS {
        task(id, &"x".repeat(60_000), 1)
            .insert(&transaction)
            .await
            .unwrap();
    }
    let (frames, committed) = tokio::join!(
        async {
            let mut frames = 0;
            while frames < ROWS && client.json().await["action"] == "CREATED" {
                frames += 1;
            }
            frames
        },
        transaction.commit()
    );
    committed.unwrap();
    assert_eq!(frames, ROWS);
}

/// Connects a client of list 1 with a small receive buffer, which reads only if the test does.
async fn stalled(app: &App) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(app.addr).await.unwrap();
    let (mut stalled, _) = client_async(app.url(), stream).await.unwrap();
    let request = r#"{"model":"todolist.Task","list_id":1}"#;
    stalled.send(request.into()).await.unwrap();
    stalled
}

/// Over a real socket: a stalled reader costs the server bounded memory and does not delay other
/// clients. When it reads again, it receives the last state.
#[tokio::test]
async fn stalled_reader_catches_up_and_delays_no_client() {
    let app = App::start().await;
    let mut stalled = stalled(&app).await;
    let mut witness = app.client().await;
    witness
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;

    // More than the kernel's buffers hold (4 MB by default) and than may be pending (256 KiB).
    let text = "x".repeat(100_000);
    app.insert_task(1, &text, 1).await;
    witness.json().await;
    for n in 0..100 {
        let task = task_model::ActiveModel {
            id: Set(1),
            text: Set(format!("{n} {text}")),
            ..Default::default()
        };
        task.update(&app.db()).await.unwrap();
        assert!(
            witness.text().await.contains(&format!(r#""text":"{n} "#)),
            "the witness missed a change"
        );
    }
    let mut texts = Vec::new();
    while !texts
        .last()
        .is_some_and(|text: &String| text.contains(r#""text":"99 "#))
    {
        match soon("the last state", stalled.next()).await {
            Some(Ok(message)) if message.is_text() => texts.push(message.to_string()),
            Some(Ok(message)) if message.is_ping() => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(
        texts.len() < 100,
        "the stalled reader received every change"
    );
}

/// Starts an application with a recorder of its metrics. Such applications must not start at the
/// same time on one thread.
async fn measured() -> (App, DebuggingRecorder) {
    let recorder = DebuggingRecorder::new();
    let app = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        App::start().await
    };
    (app, recorder)
}

/// Returns how often clients exceeded the limit of bytes, and how often a client stopped being
/// behind in this way, since the last call.
fn lags_and_ends(recorder: &DebuggingRecorder, end: &str) -> (u64, u64) {
    let (mut lags, mut ends) = (0, 0);
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let has_label = |value| key.key().labels().any(|label| label.value() == value);
        match (key.key().name(), value) {
            ("rest_live_lags_total", DebugValue::Counter(count)) if has_label("bytes") => {
                lags += count;
            }
            ("rest_live_catch_ups_total", DebugValue::Counter(count)) if has_label(end) => {
                ends += count;
            }
            _ => {}
        }
    }
    (lags, ends)
}

/// With the system's default send buffer, the server would notice a client that reads nothing only
/// after some megabytes.
#[tokio::test]
async fn stalled_reader_is_noticed_early() {
    let (app, recorder) = measured().await;
    let mut stalled = app.client().await;
    stalled
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let mut witness = app.client().await;
    witness
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let text = "x".repeat(10_000);
    for id in 0..150 {
        app.insert_task(id, &text, 1).await;
        witness.json().await;
    }
    soon("a lag", async {
        while lags_and_ends(&recorder, "complete").0 == 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    // It missed rows, and receives all of them; those that were in its queue perhaps twice.
    let mut ids = BTreeSet::new();
    let mut received = 0;
    while ids.len() < 150 {
        ids.insert(stalled.json().await["payload"]["id"].as_i64());
        received += 1;
    }
    assert!(received < 200, "{received} messages");
    app.assert_silent(&mut stalled).await;
    app.assert_silent(&mut witness).await;
}

#[tokio::test]
async fn stalled_connection_is_dropped() {
    let limits = Limits::default().stall_timeout(std::time::Duration::from_secs(2));
    let app = App::start_with(limits).await;
    let _stalled = stalled(&app).await;
    let mut witness = app.client().await;
    witness
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    let text = "x".repeat(1_000_000);
    for id in 0..12 {
        app.insert_task(id, &text, 1).await;
        witness.json().await;
    }
    drop(witness);
    soon("the end of the stalled connection", async {
        while app.live.connections() > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}

#[tokio::test]
async fn silent_client_is_closed_after_two_pings() {
    let limits = Limits::default()
        .ping_interval(std::time::Duration::from_secs(1))
        .idle_timeout(std::time::Duration::from_millis(2500))
        .stall_timeout(std::time::Duration::from_secs(2));
    let app = App::start_with(limits).await;
    // This client reads, but answers nothing.
    let mut silent = raw(&app).await;
    // A client that answers stays connected meanwhile.
    let mut lively = app.client().await;
    let mut received = Vec::new();
    let (read, ()) = soon("the end of the silent connection", async {
        tokio::join!(silent.read_to_end(&mut received), async {
            while app.live.connections() > 1 {
                tokio::time::timeout(std::time::Duration::from_millis(10), lively.socket.next())
                    .await
                    .ok();
            }
        })
    })
    .await;
    read.unwrap();
    let pings_and_close = [
        &[0x89, 0, 0x89, 0, 0x88, received[5]],
        &4408_u16.to_be_bytes()[..],
        b"no traffic in time",
    ]
    .concat();
    assert_eq!(received, pings_and_close);
    app.assert_silent(&mut lively).await;
}

#[tokio::test]
async fn pings_can_be_switched_off() {
    for interval in [std::time::Duration::ZERO, std::time::Duration::MAX] {
        let limits = Limits::default().ping_interval(interval);
        let app = App::start_with(limits).await;
        let mut client = app.client().await;
        client
            .subscribe(r#"{"model":"todolist.Task","pk":1}"#)
            .await;
        app.assert_silent(&mut client).await;
    }
}
