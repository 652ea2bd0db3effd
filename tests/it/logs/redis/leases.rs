//! The leases of nodes that leave, and of nodes that die.

use rest_live_runtime::EventLog;

use super::{Redis, Watch, append, event, head, node, soon, states, until};
use crate::support::TICK;

const LEASES: &str = "ZCARD rest-live:nodes";

async fn wait_for_refreshes(redis: &Redis, times: usize) {
    for _ in 0..times {
        let last: u64 = redis.ask("GET rest-live:nodes:refreshed").await;
        soon("a lease", async {
            while redis.ask::<u64>("GET rest-live:nodes:refreshed").await == last {
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn dead_node_is_reported_once() {
    let redis = Redis::start().await;
    let [dying, log, other] = [node(&redis).await, node(&redis).await, node(&redis).await];
    let (mut tail, begin) = Watch::begin(&log).await;
    let (mut other_tail, _) = Watch::begin(&other).await;
    append(&dying, 1, 0..2).await;
    assert_eq!(redis.ask::<u64>(LEASES).await, 3);
    // A write that may be committed.
    assert!(dying.begin_writes().is_none(), "the connection is open");
    drop(dying);
    for tail in [&mut tail, &mut other_tail] {
        let (seen, cursor) = tail.node_lost().await;
        assert_eq!(seen, states(1, 0..2));
        assert_eq!(cursor.position, begin.position + 3);
        assert_eq!(cursor.epoch, begin.epoch);
    }
    // No reader can skip the loss.
    for position in 0..3 {
        let after = rest_live_runtime::Cursor {
            position,
            ..begin.clone()
        };
        let read = log.read(after, 10).await;
        assert!(
            matches!(read, Err(rest_live_runtime::ReadError::Expired)),
            "{read:?}"
        );
    }
    assert_eq!(redis.ask::<u64>(LEASES).await, 2);
    wait_for_refreshes(&redis, 4).await;
    append(&log, 2, 0..1).await;
    for tail in [&mut tail, &mut other_tail] {
        assert_eq!(tail.events(1).await, states(2, 0..1));
    }
}

#[tokio::test]
async fn dead_node_that_lost_nothing_is_not_reported() {
    let redis = Redis::start().await;
    let [dying, other, log] = [node(&redis).await, node(&redis).await, node(&redis).await];
    let (mut tail, _) = Watch::begin(&log).await;
    append(&dying, 1, 0..2).await;
    for _ in 0..2 {
        assert!(other.begin_writes().is_none(), "the connection is open");
        append(&other, 2, 0..1).await;
        other.end_writes();
    }
    drop((dying, other));
    until(&redis, LEASES, 1).await;
    append(&log, 3, 0..1).await;
    // Panics on a lost node.
    assert_eq!(tail.events(5).await.last(), Some(&(3, 0)));
    // Nothing of the dead nodes remains but the number of their entries, which expires.
    let rest: Vec<String> = redis.ask("KEYS rest-live:nodes*").await;
    assert_eq!(rest.len(), 3 + 4, "{rest:?}");
    assert_eq!(
        redis.ask::<u64>("HLEN rest-live:nodes:connections").await,
        2
    );
    assert_eq!(redis.ask::<u64>("SCARD rest-live:nodes:clean").await, 1);
}

#[tokio::test]
async fn report_survives_a_broken_connection() {
    let redis = Redis::start().await;
    let [dying, log] = [node(&redis).await, node(&redis).await];
    let (mut tail, _) = Watch::begin(&log).await;
    let _: u64 = redis.ask("CLIENT KILL TYPE normal SKIPME yes").await;
    // The report is lost at first: the connection ends without notice.
    if let Some(sent) = dying.begin_writes() {
        sent.await;
    }
    until(&redis, "SCARD rest-live:nodes:clean", 1).await;
    drop(dying);
    tail.node_lost().await;
}

#[tokio::test]
async fn loss_after_an_expired_lease_is_noticed() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, _) = Watch::begin(&log).await;
    let dying = node(&redis).await;
    until(&redis, "SCARD rest-live:nodes:clean", 2).await;
    // As if the node had been suspended: the other nodes have removed it. It writes before its next
    // refresh.
    let _: u64 = redis.ask("DEL rest-live:nodes rest-live:nodes:clean").await;
    assert!(dying.begin_writes().is_none(), "the connection is open");
    drop(dying);
    tail.node_lost().await;
}

#[tokio::test]
async fn leaving_node_delivers_its_events() {
    let redis = Redis::start().await;
    let [leaving, log] = [node(&redis).await, node(&redis).await];
    let (mut tail, _) = Watch::begin(&log).await;
    // The test does not await these appends.
    let appends: Vec<_> = (0..50)
        .map(|state| leaving.append(vec![event(1, state)]))
        .collect();
    drop(appends);
    soon("the departure", leaving.leave()).await;
    assert_eq!(redis.ask::<u64>(LEASES).await, 1);
    assert_eq!(
        redis
            .ask::<Vec<String>>("KEYS rest-live:nodes:*:appended")
            .await
            .len(),
        0
    );
    assert_eq!(tail.events(50).await, states(1, 0..50));
    // An append by a request that was still running.
    leaving.append(vec![event(1, 50)]).await.unwrap();
    assert_eq!(tail.events(1).await, states(1, 50..51));
    soon("a second departure", leaving.leave()).await;
    wait_for_refreshes(&redis, 2).await;
    assert_eq!(head(&log).await.position, 51);
    assert_eq!(redis.ask::<u64>(LEASES).await, 1);
}

#[tokio::test]
async fn node_replaces_a_lost_lease() {
    let redis = Redis::start().await;
    let _nodes = [node(&redis).await, node(&redis).await];
    let _: u64 = redis.ask("DEL rest-live:nodes").await;
    until(&redis, LEASES, 2).await;
    assert_eq!(redis.ask::<u64>("XLEN rest-live:events").await, 0);
}

#[tokio::test]
async fn outage_extends_leases_and_finds_dead_nodes() {
    let redis = Redis::start().await;
    let log = node(&redis).await;
    let (mut tail, _) = Watch::begin(&log).await;
    // As if no node had refreshed its lease for a long time.
    let outage = "EVAL redis.call('SET',KEYS[1],5);redis.call('ZADD',KEYS[2],5,'ghost') 2 \
                  rest-live:nodes:refreshed rest-live:nodes";
    let outage: Vec<_> = outage.split_whitespace().collect();
    let _: redis::Value = redis.ask(&outage.join(" ")).await;
    wait_for_refreshes(&redis, 1).await;
    let term: f64 = redis.ask("ZSCORE rest-live:nodes ghost").await;
    assert!(term > 1e12, "{term}");
    assert_eq!(head(&log).await.position, 0);
    tail.node_lost().await;
    assert_eq!(head(&log).await.position, 1);
}
