//! More events than may wait for Redis.

use rest_live_runtime::{EventLog, testing::contract::records};

use super::{Redis, Watch, node, soon, states};

#[tokio::test]
async fn overflow_is_dropped_and_reported() {
    let redis = Redis::start().await;
    let [log, other] = [node(&redis).await, node(&redis).await];
    let (mut tail, _) = Watch::begin(&log).await;
    let (mut other_tail, _) = Watch::begin(&other).await;
    redis.pause();
    // The last append drops those before it, but the first may already be in Redis's socket.
    for row in 0..11 {
        soon("an append", log.append(records(row, 1000)))
            .await
            .unwrap();
    }
    let unfit = soon("an append", log.append(records(11, 10_001))).await;
    unfit.expect_err("it does not fit");
    soon("an append", log.append(records(12, 5))).await.unwrap();
    redis.resume();
    for tail in [&mut tail, &mut other_tail] {
        let (seen, _) = tail.node_lost().await;
        assert!(
            seen.is_empty() || seen == states(0, 0..1000),
            "{}",
            seen.len()
        );
        let (seen, lost) = tail.node_lost().await;
        assert_eq!(seen, states(10, 0..1000));
        assert_eq!(tail.events(5).await, states(12, 0..5));
        let read = log.read(lost, 10).await.unwrap();
        assert_eq!(read.len(), 5);
    }
}

#[tokio::test]
async fn dropped_append_is_an_error() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    redis.pause();
    let waiting = log.append(records(0, 9_000));
    let last = log.append(records(1, 2_000));
    soon("an append", waiting).await.expect_err("it is dropped");
    soon("an append", last).await.unwrap();
    redis.resume();
}
