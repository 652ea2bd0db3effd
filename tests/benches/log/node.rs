//! A node with one websocket client, and events that are ready to be appended.

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
    /// Each of a row of its own.
    pub records: Vec<Record>,
    serving: JoinHandle<()>,
    following: JoinHandle<()>,
}

impl Node {
    /// Starts one whose client tells the board what it hears, with the events of these rows.
    pub async fn start(
        log: Arc<dyn EventLog>,
        rows: std::ops::Range<usize>,
        board: Arc<Board>,
    ) -> Self {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        task::create(&db).await;
        let log = Tap::open(log);
        let live = Live::builder(db).log(log.clone()).build().unwrap();
        let (address, serving) = serve(&live).await;
        // Subscribed, the node has begun to read the log.
        let following = follow(address, LIST, board).await;
        for row in rows {
            let row = task::row(Some(row as i32), LIST);
            row.insert(&live.db()).await.unwrap();
        }
        let records = log.drawn();
        Self {
            live,
            log,
            records,
            serving,
            following,
        }
    }

    pub async fn append(&self, record: usize) {
        let record = self.records[record].clone();
        self.log.append(vec![record]).await.unwrap();
    }

    /// Ends it with a goodbye.
    pub async fn end(self) {
        self.live.shutdown().await;
        self.log.leave().await;
        self.serving.abort();
        self.following.abort();
    }
}

async fn serve(live: &Live) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(live));
    let serving = tokio::spawn(warp::serve(routes).incoming(listener).run());
    (address, serving)
}
