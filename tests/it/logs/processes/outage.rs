//! Redis does not answer for a while: clients are notified, writes do not wait, no event is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Tally, WRITERS, agree,
    cluster::{Cluster, Shared},
    rule,
    watcher::{Behavior, Watcher},
    writer::{self, Writer},
};
use crate::support::Redis;

/// How long clients may not know of the outage: five seconds, plus the delay of a busy machine.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(6);
/// How long one write may take, even on a busy machine.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_is_reported_and_loses_nothing() {
    let redis = Redis::start_durable().await;
    let cluster = Arc::new(Cluster::start(Shared::Redis(redis)).await);
    let watchers: Vec<_> = (0..Cluster::SERVERS)
        .map(|number| Watcher::start(&cluster, &rule::OUTAGE, number, Behavior::Steady))
        .collect();
    for watcher in &watchers {
        watcher.wait_for_start().await;
    }
    write(&cluster, sleep(Duration::from_secs(2))).await;

    let redis = cluster.redis().unwrap();
    redis.pause();
    let paused = Instant::now();
    let notified = async {
        for watcher in &watchers {
            watcher.wait_for_stale(true).await;
        }
        let elapsed = paused.elapsed();
        assert!(elapsed < NOTICE_TIMEOUT, "notified after {elapsed:?}");
        sleep(Duration::from_secs(2)).await;
    };
    write(&cluster, notified).await;

    redis.resume();
    let back = async {
        for watcher in &watchers {
            watcher.wait_for_stale(false).await;
        }
    };
    write(&cluster, back).await;
    agree(&cluster, &watchers).await;
    for watcher in watchers {
        let summary = watcher.stop().await;
        assert!(summary.starts_with("1 connections"), "{summary}");
        eprintln!("{summary}");
    }
}

/// Writes on all servers until `meanwhile` is over. Every write must succeed.
async fn write(cluster: &Arc<Cluster>, meanwhile: impl Future<Output = ()>) {
    let writers: Vec<_> = (0..WRITERS * Cluster::SERVERS)
        .map(|number| Writer::start(cluster, number, writer::SINGLE))
        .collect();
    meanwhile.await;
    let mut tally = Tally::default();
    for writer in writers {
        tally.add(&writer.stop().await);
    }
    eprintln!("{tally}");
    assert_eq!((tally.refused, tally.unanswered), (0, 0), "{tally}");
    assert!(tally.done > 0 && tally.slowest < WRITE_TIMEOUT, "{tally}");
}
