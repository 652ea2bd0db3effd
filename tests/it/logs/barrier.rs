//! A barrier: a client that syncs with the cursor of a response has received what the request
//! wrote, at any server.

mod contested;
mod http;
mod proof;
mod writes;

use rest_live::testing::Client;
use sea_orm::{ActiveModelTrait, TransactionTrait};
use serde_json::{Value, json};

use self::http::{HttpServer, Page};
use crate::support::{LogKind, Servers, soon, task};

fn subscribe(id: u32) -> Value {
    json!({"id": id, "model": "todolist.Task", "group": {"list_id": 1}})
}

/// A transaction of the application stays open after it has drawn a position before the write.
#[tokio::test]
async fn open_transaction_delays_no_barrier() {
    let servers = Servers::start(LogKind::Outbox).await;
    let [writer, reader] = [
        HttpServer::start(&servers).await,
        HttpServer::start(&servers).await,
    ];
    let mut page = Page::open(&reader).await;
    let open = servers.plain.begin().await.unwrap();
    http::draw_position(&servers, &open).await;
    for row in 1..=20 {
        let cursor = writer.write("POST", row, "insert").await;
        soon("the answer", page.sync(&cursor)).await;
        assert!(page.holds(row * 10), "row {row} is missing");
    }
    open.rollback().await.unwrap();
}

/// On one server, without an HTTP request in between.
#[tokio::test]
async fn sync_without_a_cursor_covers_earlier_writes() {
    for kind in [LogKind::Memory, LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        let live = servers.live().await;
        let mut client = Client::connect(&live, ());
        client.send_json(subscribe(1)).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        for row in 1..=20 {
            task(row, "a", 1).insert(&live.db()).await.unwrap();
            client.send_json(json!({"type": "sync", "id": row})).await;
            let broadcast = client.receive_json().await;
            assert_eq!(broadcast["payload"]["id"], row, "{kind:?}");
            let synced = client.receive_json().await;
            assert_eq!(
                (&synced["type"], &synced["id"]),
                (&json!("synced"), &json!(row))
            );
            // A resume from the answer loses nothing and repeats nothing.
            let since = &synced["cursor"];
            let mut other = Client::connect(&live, ());
            let mut resume = subscribe(1);
            resume["since"] = since.clone();
            other.send_json(resume).await;
            assert_eq!(other.receive_json().await["recovered"], true);
            other.receive_nothing().await;
        }
    }
}

/// No client is subscribed, so that the servers read their log only from time to time.
#[tokio::test]
async fn idle_server_answers_at_once() {
    for kind in [LogKind::Memory, LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        let live = servers.live().await;
        task(1, "a", 1).insert(&live.db()).await.unwrap();
        let cursor = soon("a cursor", live.cursor_after_writes()).await;
        let cursor = cursor.expect("the log is reachable").to_string();
        let mut client = Client::connect(&live, ());
        let sync = json!({"type": "sync", "id": 1, "cursor": cursor});
        client.send_json(sync).await;
        assert_eq!(client.receive_json().await["type"], "synced", "{kind:?}");
    }
}
