//! Connections break and servers die, again and again, while three nodes append.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};
use rest_live_redis::RedisLog;
use rest_live_runtime::{Cursor, EventLog};

use super::{Redis, Watch, append, head, node, read_all, states};

const NODES: i32 = 3;

async fn nodes(redis: &Redis) -> Vec<RedisLog> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(node(redis).await);
    }
    nodes
}

/// Appends events of one row on each node until `trouble` is over. Returns how many.
async fn append_during(logs: &[RedisLog], trouble: impl Future<Output = ()>) -> Vec<i32> {
    let is_over = AtomicBool::new(false);
    let appends = (0..).zip(logs).map(|(row, log)| {
        let is_over = &is_over;
        async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                append(log, row, count..count + 1).await;
                count += 1;
                if count % 8 == 0 {
                    // Keeps the queue from filling up while Redis is away.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            count
        }
    });
    let trouble = async {
        trouble.await;
        is_over.store(true, Ordering::Relaxed);
    };
    join(join_all(appends), trouble).await.0
}

/// Asserts that each row has all of its states, once and in order.
fn assert_complete(all: &[(i32, i32)], counts: &[i32]) {
    for (row, count) in (0..).zip(counts) {
        let of_row: Vec<_> = all.iter().copied().filter(|(of, _)| *of == row).collect();
        assert_eq!(of_row, states(row, 0..*count), "row {row}");
    }
}

#[tokio::test]
async fn broken_connections_lose_and_repeat_nothing() {
    let redis = Redis::start().await;
    let logs = nodes(&redis).await;
    let (mut tail, begin) = Watch::begin(&logs[0]).await;
    let trouble = async {
        for _ in 0..100 {
            let wait = Duration::from_micros(fastrand::u64(..20_000));
            tokio::time::sleep(wait).await;
            let _: u64 = redis.ask("CLIENT KILL TYPE normal SKIPME yes").await;
        }
    };
    let counts = append_during(&logs, trouble).await;
    let total = counts.iter().sum::<i32>() as usize;
    // Panics on a reset or a lost node.
    let received = tail.events(total).await;
    assert_complete(&received, &counts);
    assert_eq!(read_all(&logs[1], begin).await, received);
}

#[tokio::test]
async fn durable_servers_lose_and_repeat_nothing() {
    let redis = Redis::start_durable().await;
    let logs = nodes(&redis).await;
    let (mut tail, _) = Watch::begin(&logs[0]).await;
    let trouble = async {
        for _ in 0..6 {
            let wait = Duration::from_micros(fastrand::u64(..100_000));
            tokio::time::sleep(wait).await;
            redis.kill();
            redis.restart().await;
        }
    };
    let counts = append_during(&logs, trouble).await;
    for (row, log) in (0..).zip(&logs) {
        // After everything that waits.
        append(log, row, counts[row as usize]..counts[row as usize] + 1).await;
    }
    let counts: Vec<_> = counts.iter().map(|count| count + 1).collect();
    let total = counts.iter().sum::<i32>() as u64;
    super::until(&redis, "XLEN rest-live:events", total).await;
    let begin = Cursor {
        position: 0,
        ..head(&logs[2]).await
    };
    let all = read_all(&logs[2], begin.clone()).await;
    assert_complete(&all, &counts);
    // Each epoch of the log sends a reset, and the last one is the current epoch.
    while tail.reset().await.epoch != begin.epoch {}
    for log in &logs {
        log.leave().await;
    }
}
