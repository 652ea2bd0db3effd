//! A server with routes that write, and a page that follows list 1 at a server.

use std::collections::BTreeMap;

use rest_live::{
    Limits, Live,
    log::{Operation, StoredEvent},
};
use rest_live_outbox::OutboxLog;
use sea_orm::{ActiveModelTrait, ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use warp::Filter;

use crate::support::{Client, Servers, task};

/// One server of an application.
pub struct HttpServer {
    pub live: Live,
    addr: String,
    http: reqwest::Client,
    task: AbortHandle,
}

impl HttpServer {
    pub async fn start(servers: &Servers) -> Self {
        // A page of these tests sends more than the default rate allows.
        let limits = Limits::default().message_rate(100_000, 100_000);
        let live = servers.builder().await.limits(limits).build().unwrap();
        let db = live.db();
        let write = warp::path!(i32 / String).and(warp::method()).then(
            move |row: i32, how: String, _: warp::http::Method| {
                let db = db.clone();
                async move { write(&db, row, &how).await }
            },
        );
        let write = write.with(warp::wrap_fn(rest_live::warp::with_cursor(&live)));
        let ws = warp::path!("ws").and(rest_live::warp::subscriptions(&live));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(warp::serve(ws.or(write)).incoming(listener).run());
        Self {
            live,
            addr,
            http: reqwest::Client::new(),
            task: task.abort_handle(),
        }
    }

    /// Sends a request that writes.
    pub async fn respond(&self, method: &str, row: i32, how: &str) -> reqwest::Response {
        let url = format!("http://{}/{row}/{how}", self.addr);
        let request = self.http.request(method.parse().unwrap(), url);
        request.send().await.unwrap()
    }

    /// Sends a request that writes, and returns the cursor of its response.
    pub async fn write(&self, method: &str, row: i32, how: &str) -> String {
        let response = self.respond(method, row, how).await;
        assert!(response.status().is_success(), "{response:?}");
        let headers = response.headers();
        assert_eq!(headers["access-control-expose-headers"], "Live-Cursor");
        headers["live-cursor"].to_str().unwrap().to_owned()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes rows, whose ids are ten times the number and more.
async fn write(db: &rest_live::LiveConnection, row: i32, how: &str) -> &'static str {
    let insert = |number: i32| task(row * 10 + number, "new", 1);
    match how {
        "insert" => _ = insert(0).insert(db).await.unwrap(),
        "transaction" => {
            let transaction = db.begin().await.unwrap();
            insert(0).insert(&transaction).await.unwrap();
            insert(1).insert(&transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
        "commits" => {
            insert(0).insert(db).await.unwrap();
            let transaction = db.begin().await.unwrap();
            insert(1).insert(&transaction).await.unwrap();
            transaction.commit().await.unwrap();
            insert(2).insert(db).await.unwrap();
        }
        "tasks" => {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..3 {
                let (db, row) = (db.clone(), insert(number));
                tasks.spawn(async move { row.insert(&db).await.unwrap() });
            }
            tasks.join_all().await;
        }
        text => _ = task(row, text, 1).update(db).await.unwrap(),
    }
    "written"
}

/// A page that has subscribed to list 1.
pub struct Page {
    client: Client,
    pub held: BTreeMap<i32, Value>,
    syncs: u32,
}

impl Page {
    pub async fn open(server: &HttpServer) -> Self {
        let mut client = Client::connect(&format!("ws://{}/ws", server.addr)).await;
        client.send(&super::subscribe(1).to_string()).await;
        assert_eq!(client.json().await["type"], "subscribed");
        Self {
            client,
            held: BTreeMap::new(),
            syncs: 0,
        }
    }

    /// Syncs with a cursor, and applies the broadcasts that come before the answer.
    pub async fn sync(&mut self, cursor: &str) {
        self.syncs += 1;
        let sync = json!({"type": "sync", "id": self.syncs, "cursor": cursor});
        self.client.send(&sync.to_string()).await;
        loop {
            let mut frame = self.client.json().await;
            match frame["type"].as_str() {
                Some("synced") => {
                    assert_eq!(frame["id"], self.syncs);
                    return;
                }
                Some("broadcast") => {
                    let row = frame["payload"].take();
                    let id = row["id"].as_i64().unwrap().try_into().unwrap();
                    self.held.insert(id, row);
                }
                // Ends a unit.
                Some("unit") => {}
                _ => panic!("{frame}"),
            }
        }
    }

    pub fn holds(&self, id: i32) -> bool {
        self.held.contains_key(&id)
    }
}

/// Draws a position of the outbox in a transaction, which may stay open.
pub async fn draw_position(servers: &Servers, transaction: &impl ConnectionTrait) {
    let log = OutboxLog::open(servers.plain.clone()).await.unwrap();
    let event = StoredEvent {
        model: "another.Model".to_owned(),
        operation: Operation::Reset,
        key: None,
        old: Vec::new(),
        new: None,
        scope: None,
        captured: 0,
        node: None,
        began: None,
        following: 0,
    };
    log.append_stored_in(transaction, &[event]).await.unwrap();
}
