//! Redis does not answer for a while, is emptied, or refuses writes.

use std::time::{Duration, Instant};

use rest_live_runtime::{EventLog, Tail};

use super::{Redis, Watch, append, event, head, node, read_all, states};

#[tokio::test]
async fn pause_delays_no_write_and_loses_nothing() {
    let redis = Redis::start().await;
    let [log, other] = [node(&redis).await, node(&redis).await];
    let (mut tail, begin) = Watch::begin(&other).await;
    append(&log, 1, 0..3).await;
    assert_eq!(tail.events(3).await, states(1, 0..3));

    redis.pause();
    let paused = Instant::now();
    append(&log, 1, 3..4).await;
    assert!(
        paused.elapsed() < Duration::from_secs(2),
        "a write waited {:?}",
        paused.elapsed()
    );
    let known = Instant::now();
    append(&log, 1, 4..100).await;
    assert!(
        known.elapsed() < Duration::from_millis(200),
        "writes waited {:?}",
        known.elapsed()
    );
    assert!(matches!(tail.next().await, Tail::Away));
    let noticed = paused.elapsed();
    assert!(
        noticed >= Duration::from_secs(2) && noticed < Duration::from_secs(5),
        "{noticed:?}"
    );
    log.head().await.expect_err("Redis does not answer");
    // After this wait the node has abandoned its first attempt to append. That attempt still waits
    // in Redis's socket, and the node repeats it.
    tokio::time::sleep(Duration::from_secs(7).saturating_sub(paused.elapsed())).await;

    redis.resume();
    assert!(matches!(tail.next().await, Tail::Back));
    assert_eq!(tail.events(97).await, states(1, 3..100));
    assert_eq!(read_all(&other, begin).await, states(1, 0..100));
    // No lease was lost, because the nodes themselves were not away.
    assert_eq!(head(&log).await.position, 100);
    let known = Instant::now();
    log.append(vec![event(1, 100)]).await.unwrap();
    assert!(known.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn emptied_log_is_a_new_epoch() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, mut before) = Watch::begin(&log).await;
    for emptying in ["FLUSHALL", "DEL rest-live:events", "DEL rest-live:epoch"] {
        append(&log, 1, 0..5).await;
        tail.events(5).await;
        let _: redis::Value = redis.ask(emptying).await;
        append(&log, 2, 0..5).await;
        let now = tail.reset().await;
        assert_ne!(now.epoch, before.epoch, "{emptying}");
        let read = log.read(before, 10).await;
        assert!(
            matches!(read, Err(rest_live_runtime::ReadError::Epoch)),
            "{emptying}: {read:?}"
        );
        before = now;
    }
}

#[tokio::test]
async fn read_only_redis_is_away() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, begin) = Watch::begin(&log).await;
    let other = node(&redis).await;
    for (refusing, accepting) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
        ),
    ] {
        let _: String = redis.ask(refusing).await;
        let before = Instant::now();
        // The node that appends nothing also notices.
        append(&other, 1, 0..10).await;
        assert!(before.elapsed() < Duration::from_secs(2));
        assert!(matches!(tail.next().await, Tail::Away), "{refusing}");
        let _: String = redis.ask(accepting).await;
        assert!(matches!(tail.next().await, Tail::Back), "{accepting}");
        assert_eq!(tail.events(10).await, states(1, 0..10));
    }
    assert_eq!(read_all(&log, begin).await.len(), 20);
}

#[tokio::test]
async fn replica_is_away_and_then_a_new_epoch() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, begin) = Watch::begin(&log).await;
    let _: String = redis.ask("REPLICAOF 127.0.0.1 1").await;
    append(&log, 1, 0..3).await;
    assert!(matches!(tail.next().await, Tail::Away));
    log.head().await.expect_err("it is a replica");
    let _: String = redis.ask("REPLICAOF NO ONE").await;
    let now = tail.reset().await;
    assert_ne!(now.epoch, begin.epoch);
    super::until(&redis, "XLEN rest-live:events", 3).await;
}
