//! A node with one websocket client, and recorded events to append.

use std::{net::SocketAddr, sync::Arc};

use rest_live::{
    Live,
    log::{EventLog, Record},
};
use sea_orm::{ActiveModelTrait, Database};
use tokio::{net::TcpListener, task::JoinHandle};
use warp::Filter;

use super::{
    follower::{Board, follow},
    model::live as task,
    tap::Tap,
};

/// The list of all rows.
const LIST: i32 = 1;

pub struct Node {
    live: Live,
    log: Tap,
    /// One event for each row.
    pub records: Vec<Record>,
    server: JoinHandle<()>,
    client: JoinHandle<()>,
}

impl Node {
    /// Starts a node with the events of these rows. Its client notes on the board what it receives.
    pub async fn start(
        log: Arc<dyn EventLog>,
        rows: std::ops::Range<usize>,
        board: Arc<Board>,
    ) -> Self {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        task::create(&db).await;
        let log = Tap::start(log);
        let live = Live::builder(db).log(log.clone()).build().unwrap();
        let (address, server) = serve(&live).await;
        // A node starts to read the log with its first subscription.
        let client = follow(address, LIST, board).await;
        for row in rows {
            let row = task::row(Some(row as i32), LIST);
            row.insert(&live.db()).await.unwrap();
        }
        let records = log.take_records();
        Self {
            live,
            log,
            records,
            server,
            client,
        }
    }

    pub async fn append(&self, record: usize) {
        let record = self.records[record].clone();
        self.log.append(vec![record]).await.unwrap();
    }

    /// Shuts the node down: its client receives a goodbye.
    pub async fn end(self) {
        self.live.shutdown().await;
        self.log.leave().await;
        self.server.abort();
        self.client.abort();
    }
}

async fn serve(live: &Live) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(live));
    let server = tokio::spawn(warp::serve(routes).incoming(listener).run());
    (address, server)
}
