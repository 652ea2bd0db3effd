//! A Redis that does not answer for a while, and has lost nothing.

use std::time::{Duration, Instant};

use rest_live_runtime::{EventLog, Tail};

use super::{Redis, Watch, append, event, everything, head, node, states};

#[tokio::test]
async fn nobody_waits_for_long_and_nothing_is_lost() {
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
    let told = paused.elapsed();
    assert!(
        told >= Duration::from_secs(2) && told < Duration::from_secs(5),
        "{told:?}"
    );
    log.head().await.expect_err("Redis does not answer");
    // By now the node has given up its first attempt to append, which waits in Redis's socket: after it, it is made again.
    tokio::time::sleep(Duration::from_secs(7).saturating_sub(paused.elapsed())).await;

    redis.resume();
    assert!(matches!(tail.next().await, Tail::Back));
    assert_eq!(tail.events(97).await, states(1, 3..100));
    assert_eq!(everything(&other, begin).await, states(1, 0..100));
    // Not one lease was lost: it was not the nodes that were away.
    assert_eq!(head(&log).await.position, 100);
    let known = Instant::now();
    log.append(vec![event(1, 100)]).await.unwrap();
    assert!(known.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_log_that_is_emptied_is_another() {
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
async fn a_redis_that_nobody_can_write_to_is_away() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, begin) = Watch::begin(&log).await;
    let other = node(&redis).await;
    for (refusing, taking) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
        ),
    ] {
        let _: String = redis.ask(refusing).await;
        let before = Instant::now();
        // The other node has nothing to append, and is told, too.
        append(&other, 1, 0..10).await;
        assert!(before.elapsed() < Duration::from_secs(2));
        assert!(matches!(tail.next().await, Tail::Away), "{refusing}");
        let _: String = redis.ask(taking).await;
        assert!(matches!(tail.next().await, Tail::Back), "{taking}");
        assert_eq!(tail.events(10).await, states(1, 0..10));
    }
    assert_eq!(everything(&log, begin).await.len(), 20);
}

#[tokio::test]
async fn a_replica_is_no_log_and_another_when_it_is_the_master() {
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
