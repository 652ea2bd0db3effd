//! Redis is killed with nothing, something or everything on its disk.

use std::time::{Duration, Instant};

use rest_live_runtime::{Cursor, EventLog, ReadError};

use super::{Redis, Watch, append, head, node, read_all, states, until};

/// Kills Redis between appends, and asserts the states of two rows in the log afterwards.
async fn assert_after_a_kill(redis: &Redis, snapshot: bool, expected: [Vec<(i32, i32)>; 2]) {
    let [log, other] = [node(redis).await, node(redis).await];
    let (mut tail, _) = Watch::begin(&log).await;
    let (mut other_tail, _) = Watch::begin(&other).await;
    append(&log, 1, 0..10).await;
    if snapshot {
        let _: String = redis.ask("SAVE").await;
    }
    append(&other, 2, 0..10).await;
    let name: Option<String> = redis.ask("GET rest-live:epoch").await;
    tail.events(20).await;
    let before = head(&log).await;

    redis.kill();
    let killed = Instant::now();
    append(&log, 1, 10..20).await;
    assert!(
        killed.elapsed() < Duration::from_secs(2),
        "writes waited {:?}",
        killed.elapsed()
    );
    log.head().await.expect_err("Redis is away");
    redis.restart().await;

    let now = tail.reset().await;
    assert_eq!(now.epoch, other_tail.reset().await.epoch);
    assert_ne!(now.epoch, before.epoch);
    for position in [0, 5, before.position] {
        let cursor = Cursor {
            position,
            ..before.clone()
        };
        let read = other.read(cursor, 10).await;
        assert!(matches!(read, Err(ReadError::Epoch)), "{read:?}");
    }
    if snapshot {
        // This key alone would not reveal the loss.
        assert_eq!(
            redis.ask::<Option<String>>("GET rest-live:epoch").await,
            name
        );
    }
    append(&log, 1, 20..21).await;
    append(&other, 2, 10..11).await;
    let count = expected.iter().map(Vec::len).sum::<usize>();
    until(redis, "XLEN rest-live:events", count).await;
    let begin = Cursor {
        position: 0,
        ..head(&log).await
    };
    assert_eq!(begin.epoch, now.epoch);
    let all = read_all(&other, begin).await;
    for (row, expected) in [1, 2].into_iter().zip(expected) {
        let of_row: Vec<_> = all.iter().copied().filter(|(of, _)| *of == row).collect();
        assert_eq!(of_row, expected);
    }
}

#[tokio::test]
async fn waiting_events_survive_without_persistence() {
    let redis = Redis::start().await;
    let expected = [states(1, 10..21), states(2, 10..11)];
    assert_after_a_kill(&redis, false, expected).await;
}

#[tokio::test]
async fn append_only_file_keeps_all_events() {
    let redis = Redis::start_durable().await;
    let expected = [states(1, 0..21), states(2, 0..11)];
    assert_after_a_kill(&redis, false, expected).await;
}

#[tokio::test]
async fn old_snapshot_is_a_new_epoch() {
    let redis = Redis::start().await;
    let expected = [states(1, 0..21), states(2, 10..11)];
    assert_after_a_kill(&redis, true, expected).await;
}
