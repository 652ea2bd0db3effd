//! How soon a node hears of what another has committed.

use std::time::{Duration, Instant};

use rest_live::log::EventLog;
use rest_live_outbox::OutboxLog;

use super::{Follower, Server};

/// Measures how long events of one node are under way to another, in the middle.
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
async fn another_node_is_told_at_once() {
    let server = Server::start().await;
    let (log, other) = (server.open().await, server.open().await);
    let mut follower = Follower::of(&other).await;
    // Only then the polls are seconds apart.
    let hears = Instant::now();
    while latency(&server, &log, &mut follower, "warm up").await > Duration::from_millis(500) {
        assert!(hears.elapsed() < Duration::from_secs(10));
    }
    let slow = OutboxLog::options().poll(Duration::from_secs(30));
    let slow = slow.open(server.db.clone()).await.unwrap();
    let mut patient = Follower::of(&slow).await;
    super::put(&log, &server.db, "first").await;
    // It hears it when it begins to listen, or by the notification.
    rest_live::log::TransactionalLog::committed(&log);
    patient.until_model("first").await;
    let took = latency(&server, &log, &mut patient, "notified").await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn where_nothing_is_heard_it_looks() {
    let server = Server::start().await;
    let log = server.open().await;
    let elsewhere = Server::start().await;
    let deaf = [
        OutboxLog::options().without_listen(),
        // Nobody is there.
        OutboxLog::options().listen_on("postgres://postgres@127.0.0.1:1/postgres"),
        // It takes LISTEN, and nothing comes, as of a pooler in transaction mode.
        OutboxLog::options().listen_on(elsewhere.database.url()),
    ];
    for options in deaf {
        let other = options.open(server.db.clone()).await.unwrap();
        let mut follower = Follower::of(&other).await;
        // It waits two seconds for what does not come, and is not to believe then that it hears.
        let opened = Instant::now();
        while opened.elapsed() < Duration::from_millis(2_500) {
            let took = latency(&server, &log, &mut follower, "polled").await;
            assert!(took < Duration::from_millis(500), "{took:?}");
        }
    }
}

#[tokio::test]
async fn its_own_tail_is_told_without_the_database() {
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
async fn a_node_that_has_left_has_told_all_and_holds_no_task() {
    let server = Server::start().await;
    let (log, other) = (server.open().await, server.open().await);
    let mut follower = Follower::of(&other).await;
    server.write(&log, "last").await;
    log.leave().await;
    log.leave().await;
    follower.until_model("last").await;
    // It reads and writes all the same.
    server.write(&log, "after").await;
    let mut own = Follower::of(&log).await;
    server.write(&log, "after that").await;
    own.until_model("after that").await;
    follower.until_model("after that").await;
}
