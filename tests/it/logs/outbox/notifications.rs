//! How soon a node reads what another node has committed.

use std::time::{Duration, Instant};

use rest_live::log::EventLog;
use rest_live_outbox::OutboxLog;

use super::{Follower, Server};

/// Returns the median time from a commit on one node to its arrival on another.
async fn latency(server: &Server, log: &OutboxLog, follower: &mut Follower, of: &str) -> Duration {
    let mut took = Vec::new();
    for event in 0..40 {
        let model = format!("{of} {event} {}", follower.entries.len());
        super::put(log, &server.db, &model).await;
        let start = Instant::now();
        rest_live::log::TransactionalLog::committed(log);
        follower.until_model(&model).await;
        took.push(start.elapsed());
    }
    took.sort();
    eprintln!(
        "{of}: p50 {:?}, p90 {:?}, worst {:?}",
        took[20], took[36], took[39]
    );
    took[20]
}

#[tokio::test]
async fn other_nodes_are_notified_at_once() {
    let server = Server::start().await;
    let (log, other) = (server.open().await, server.open().await);
    let mut follower = Follower::of(&other).await;
    // The node polls often until notifications arrive. Only then are its polls seconds apart.
    let start = Instant::now();
    while latency(&server, &log, &mut follower, "warm up").await > Duration::from_millis(500) {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    let slow = OutboxLog::options().poll(Duration::from_secs(30));
    let slow = slow.open(server.db.clone()).await.unwrap();
    let mut slow_follower = Follower::of(&slow).await;
    super::put(&log, &server.db, "first").await;
    // The node reads it when it begins to listen, or when the notification arrives.
    rest_live::log::TransactionalLog::committed(&log);
    slow_follower.until_model("first").await;
    let took = latency(&server, &log, &mut slow_follower, "notified").await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn node_polls_without_notifications() {
    let server = Server::start().await;
    let log = server.open().await;
    let elsewhere = Server::start().await;
    let without_notifications = [
        OutboxLog::options().without_listen(),
        // No server listens there.
        OutboxLog::options().listen_on("postgres://postgres@127.0.0.1:1/postgres"),
        // This server accepts LISTEN but sends nothing, like a pooler in transaction mode.
        OutboxLog::options().listen_on(elsewhere.database.url()),
    ];
    for options in without_notifications {
        let other = options.open(server.db.clone()).await.unwrap();
        let mut follower = Follower::of(&other).await;
        // The node waits two seconds for a notification. After that it must not assume that
        // notifications work.
        let opened = Instant::now();
        while opened.elapsed() < Duration::from_millis(2_500) {
            let took = latency(&server, &log, &mut follower, "polled").await;
            assert!(took < Duration::from_millis(500), "{took:?}");
        }
    }
}

#[tokio::test]
async fn own_tail_needs_no_notification() {
    let server = Server::start().await;
    let options = OutboxLog::options()
        .without_listen()
        .poll(Duration::from_secs(30));
    let log = options.open(server.db.clone()).await.unwrap();
    let mut follower = Follower::of(&log).await;
    let took = latency(&server, &log, &mut follower, "own").await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn leaving_node_delivers_its_last_event() {
    let server = Server::start().await;
    let (log, other) = (server.open().await, server.open().await);
    let mut follower = Follower::of(&other).await;
    server.write(&log, "last").await;
    log.leave().await;
    log.leave().await;
    follower.until_model("last").await;
    // The node still reads and writes.
    server.write(&log, "after").await;
    let mut own = Follower::of(&log).await;
    server.write(&log, "after that").await;
    own.until_model("after that").await;
    follower.until_model("after that").await;
}
