//! Large rows over a slow link, with the default limits.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{SinkExt, StreamExt};
use metrics_util::debugging::DebuggingRecorder;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpSocket,
    time::{interval, sleep, sleep_until},
};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{lags_and_ends, measured};
use crate::{
    entities::task as task_model,
    support::{App, Dialect, TICK, soon},
};

/// Bytes in a row.
const ROW_BYTES: usize = 200_000;
/// Rows that change in each burst.
const ROWS: i32 = 3;
const BURSTS: i32 = 4;
/// Time between two bursts. A fifteenth of the time over a real slow link.
const BURST_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes that the link transports each [`LINK_INTERVAL`]: 2 Mbit/s, times fifteen.
const LINK_BYTES: usize = 18_750;
const LINK_INTERVAL: Duration = Duration::from_millis(5);

/// Connects over a link that transports a limited number of bytes each second to the client.
async fn connect(app: &App) -> WebSocketStream<DuplexStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let stream = socket.connect(app.addr).await.unwrap();
    let (mut from_server, mut to_server) = stream.into_split();
    let (near, far) = duplex(4096);
    let (mut from_client, mut to_client) = tokio::io::split(far);
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    tokio::spawn(async move {
        let mut clock = interval(LINK_INTERVAL);
        let mut buffer = vec![0; LINK_BYTES];
        loop {
            clock.tick().await;
            match from_server.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => {
                    if to_client.write_all(&buffer[..bytes]).await.is_err() {
                        break;
                    }
                }
            }
        }
    });
    client_async(app.url(), near).await.unwrap().0
}

fn subscribe(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Plain => r#"{"model":"todolist.Task","list_id":1}"#,
        Dialect::V1 => r#"{"id":1,"model":"todolist.Task","group":{"list_id":1}}"#,
        Dialect::V0_7 => {
            r#"{"type":"subscribe","id":1,"action":"list","view_kwargs":{"list_id":1},"model":"todolist.Task"}"#
        }
    }
}

/// Three updates of 200 KB rows every 15 s at 2 Mbit/s, fifteen times as fast: no reset, no close,
/// and the client ends with the last state of each row.
#[tokio::test]
async fn large_rows_arrive_without_reset() {
    let (plain, v1, v0_7) = (measured().await, measured().await, measured().await);
    tokio::join!(
        follow_large_rows(Dialect::Plain, plain),
        follow_large_rows(Dialect::V1, v1),
        follow_large_rows(Dialect::V0_7, v0_7),
    );
}

async fn follow_large_rows(dialect: Dialect, (app, recorder): (App, DebuggingRecorder)) {
    for id in 1..=ROWS {
        app.insert_task(id, "small", 1).await;
    }
    let mut client = connect(&app).await;
    client.send(subscribe(dialect).into()).await.unwrap();
    client.send("no request".into()).await.unwrap();
    let is_ready = |text: &str| text.contains("malformed_json") || text.contains(r#""code":400"#);
    while !is_ready(
        &soon("an answer", client.next())
            .await
            .unwrap()
            .unwrap()
            .to_string(),
    ) {}

    let writes = async {
        let start = tokio::time::Instant::now();
        for burst in 1..=BURSTS {
            for id in 1..=ROWS {
                let task = task_model::ActiveModel {
                    id: Set(id),
                    text: Set(format!("{burst} {}", "x".repeat(ROW_BYTES))),
                    ..Default::default()
                };
                task.update(&app.db()).await.unwrap();
            }
            sleep_until(start + BURST_INTERVAL * burst.unsigned_abs()).await;
        }
    };
    let mut rows: BTreeMap<i64, i32> = BTreeMap::new();
    let reads = async {
        while rows.len() < ROWS as usize || rows.values().any(|burst| *burst < BURSTS) {
            let message = soon("a broadcast", client.next()).await.unwrap().unwrap();
            if !message.is_text() {
                assert!(message.is_ping(), "{message}");
                continue;
            }
            let frame: Value = serde_json::from_str(&message.to_string()).unwrap();
            if frame["type"] == "unit" {
                continue;
            }
            assert_eq!(frame["action"], "UPDATED", "{message}");
            let row = frame.get("payload").unwrap_or(&frame["instance"]);
            let text = row["text"].as_str().unwrap();
            let burst = text.split(' ').next().unwrap().parse().unwrap();
            let id = row["id"].as_i64().unwrap();
            let before = rows.insert(id, burst);
            assert!(before <= Some(burst), "row {id} goes back from {before:?}");
        }
    };
    tokio::join!(writes, reads);
    let (lags, complete) = lags_and_ends(&recorder, "complete");
    assert!(lags > 0, "the link is too fast for this test");
    assert!(complete > 0, "{lags} lags");
}

/// The connection ends while the client is behind: nothing of it is left.
#[tokio::test]
async fn connection_may_end_while_behind() {
    let (app, recorder) = measured().await;
    let mut client = connect(&app).await;
    client.send(subscribe(Dialect::V1).into()).await.unwrap();
    soon("the answer", client.next()).await.unwrap().unwrap();
    for id in 1..=40 {
        app.insert_task(id, &"x".repeat(ROW_BYTES / 2), 1).await;
    }
    // It has read a part of the replay.
    let last = loop {
        let message = soon("a broadcast", client.next()).await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(&message.to_string()).unwrap();
        if frame.get("unit").is_some() {
            break frame["cursor"].clone();
        }
    };
    drop(client);
    let mut closed = 0;
    soon("the end of the connection", async {
        while closed == 0 || app.live.connections() > 0 {
            closed += lags_and_ends(&recorder, "closed").1;
            sleep(TICK).await;
        }
    })
    .await;
    assert_eq!(closed, 1);

    // From the cursor of any frame the client can resume, unless it missed too much.
    let mut client = app.client().await;
    let request =
        format!(r#"{{"id":1,"model":"todolist.Task","group":{{"pk":40}},"since":{last}}}"#);
    client.send(&request).await;
    assert_eq!(client.json().await["recovered"], true);
    assert_eq!(client.json().await["payload"]["id"], 40);
}
