//! A node in a process of its own, on the first core.

use std::io::stdin;

use rest_live::{Live, transport::Outgoing};
use rest_live_redis::RedisLog;
use sea_orm::{ActiveModelTrait, Database};
use tokio::net::{TcpListener, TcpSocket};
use warp::Filter;

use super::{LISTS, Served, ServerPlan};
use crate::{
    host,
    model::{live as task, parse_broadcast, subscribe},
};

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Writes the rows that the clients miss, prints its address, and serves until its input has a line
/// or ends. After a line, it shuts down with a goodbye.
pub fn run(plan: &ServerPlan) {
    host::pin(host::OF_SERVER);
    rest_live_benches::raise_files();
    // The runtime that `#[tokio::main]` builds on one core.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        task::create(&db).await;
        let mut builder = Live::builder(db);
        if let Some(url) = &plan.redis {
            builder = builder.log(RedisLog::connect(url).await.unwrap());
        }
        let live = builder.build().unwrap();
        let since = write_missed_rows(&live, plan.events).await;
        let listener = listen();
        let address = listener.local_addr().unwrap().to_string();
        let routes = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        let served = Served { address, since };
        println!("{}", serde_json::to_string(&served).unwrap());
        let line = tokio::task::spawn_blocking(|| stdin().lines().next());
        if line.await.unwrap().is_some() {
            live.shutdown().await;
        }
        std::process::exit(0);
    });
}

/// Returns a listener with a large backlog. With tokio's default, only 128 connections may wait to
/// be accepted; the kernel turns the others away, and they retry a second later.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(BACKLOG).unwrap()
}

/// Writes rows, and returns the cursor of the log before them. When it returns, all of them are
/// sent.
async fn write_missed_rows(live: &Live, events: usize) -> String {
    // A witness, because without a subscription the dispatcher reads the log only now and then.
    let session = live.connect(());
    let last = events.wrapping_sub(1) % LISTS;
    session.receive(&subscribe(1, last as i32, None)).await;
    let frame = next(&session).await;
    assert!(frame.contains("subscribed"), "{frame}");
    let since = live.cursor().unwrap().to_string();
    for event in 0..events {
        let row = task::row(Some(event as i32 + 1), (event % LISTS) as i32);
        row.insert(&live.db()).await.unwrap();
    }
    let mut seen = 0;
    while seen < events as i32 {
        let frames = next(&session).await;
        (_, seen) = parse_broadcast(&frames, "CREATED").unwrap();
    }
    since
}

/// Returns the last frame of the next batch.
async fn next(session: &rest_live::transport::Session) -> String {
    match session.outgoing().await {
        Outgoing::Frames(frames) => frames.last().unwrap().as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}
