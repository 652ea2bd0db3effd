//! A Redis that does not answer for a while: clients are told, nobody waits, and nothing is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Tally, WRITERS, agree,
    cluster::{Cluster, Shared},
    rule,
    watcher::{Manners, Watcher},
    writer::{self, Writer},
};
use crate::support::Redis;

/// So long clients may not know: five seconds, and what a busy machine takes.
const UNKNOWN: Duration = Duration::from_secs(6);
/// So long one write may take, on a busy machine, too.
const WRITE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_three_processes_are_told_while_redis_is_away_and_miss_nothing() {
    let redis = Redis::start_durable().await;
    let cluster = Arc::new(Cluster::start(Shared::Redis(redis)).await);
    let watchers: Vec<_> = (0..Cluster::SERVERS)
        .map(|number| Watcher::start(&cluster, &rule::AWAY, number, Manners::Steady))
        .collect();
    for watcher in &watchers {
        watcher.begun().await;
    }
    write(&cluster, sleep(Duration::from_secs(2))).await;

    let redis = cluster.redis().unwrap();
    redis.pause();
    let paused = Instant::now();
    let told = async {
        for watcher in &watchers {
            watcher.stale(true).await;
        }
        let told = paused.elapsed();
        assert!(told < UNKNOWN, "told after {told:?}");
        sleep(Duration::from_secs(2)).await;
    };
    write(&cluster, told).await;

    redis.resume();
    let back = async {
        for watcher in &watchers {
            watcher.stale(false).await;
        }
    };
    write(&cluster, back).await;
    agree(&cluster, &watchers).await;
    for watcher in watchers {
        let told = watcher.ended().await;
        assert!(told.starts_with("1 connections"), "{told}");
        eprintln!("{told}");
    }
}

/// Writes on all servers while something happens, which every write survives.
async fn write(cluster: &Arc<Cluster>, meanwhile: impl Future<Output = ()>) {
    let writers: Vec<_> = (0..WRITERS * Cluster::SERVERS)
        .map(|number| Writer::start(cluster, number, writer::SINGLE))
        .collect();
    meanwhile.await;
    let mut tally = Tally::default();
    for writer in writers {
        tally.add(&writer.ended().await);
    }
    eprintln!("{tally}");
    assert_eq!((tally.refused, tally.unanswered), (0, 0), "{tally}");
    assert!(tally.done > 0 && tally.slowest < WRITE, "{tally}");
}
