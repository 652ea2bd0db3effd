//! Connections that break, and servers that die, again and again, while three nodes append.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};
use rest_live_redis::RedisLog;
use rest_live_runtime::{Cursor, EventLog};

use super::{Redis, Watch, append, everything, head, node, states};

const NODES: i32 = 3;

async fn nodes(redis: &Redis) -> Vec<RedisLog> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(node(redis).await);
    }
    nodes
}

/// Has each node append events of its own row, until `trouble` is over; returns how many each appended.
async fn appending(logs: &[RedisLog], trouble: impl Future<Output = ()>) -> Vec<i32> {
    let is_over = AtomicBool::new(false);
    let appends = (0..).zip(logs).map(|(row, log)| {
        let is_over = &is_over;
        async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                append(log, row, count..count + 1).await;
                count += 1;
                if count % 8 == 0 {
                    // A Redis that is away is no reason to fill the queue.
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
async fn connections_that_break_lose_and_repeat_nothing() {
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
    let counts = appending(&logs, trouble).await;
    let total = counts.iter().sum::<i32>() as usize;
    // Neither a reset nor a lost node comes, or this panics.
    let told = tail.events(total).await;
    assert_complete(&told, &counts);
    assert_eq!(everything(&logs[1], begin).await, told);
}

#[tokio::test]
async fn servers_that_die_lose_and_repeat_nothing_that_they_keep() {
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
    let counts = appending(&logs, trouble).await;
    for (row, log) in (0..).zip(&logs) {
        // Behind all that waits.
        append(log, row, counts[row as usize]..counts[row as usize] + 1).await;
    }
    let counts: Vec<_> = counts.iter().map(|count| count + 1).collect();
    let total = counts.iter().sum::<i32>() as u64;
    super::until(&redis, "XLEN rest-live:events", total).await;
    let begin = Cursor {
        position: 0,
        ..head(&logs[2]).await
    };
    let all = everything(&logs[2], begin.clone()).await;
    assert_complete(&all, &counts);
    // Each life of the log is told by a reset; the last is the one that is.
    while tail.reset().await.epoch != begin.epoch {}
    for log in &logs {
        log.leave().await;
    }
}
