//! Three processes of the todolist example on one PostgreSQL and one shared log. Writers use all of
//! them at once, clients come and go between them, and servers and Redis are killed. The clients
//! know only their frames and fetch again only on a reset. At the end they must hold what is in the
//! table.
//!
//! **Back in time.** A trigger appends a version to the text of a task. The version grows with each
//! change of the row, under the lock of the row (`cluster.rs`). A client can therefore order two
//! states of a row (`view.rs`).
//!
//! **Resets.** There must be none before the first kill. Later resets must have a reason that the
//! log's [`Rule`] allows.

mod cluster;
mod outage;
mod rule;
mod short_lived;
mod tally;
mod view;
mod watcher;
mod writer;

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use self::{
    cluster::{Cluster, Shared},
    rule::Rule,
    tally::Tally,
    watcher::{Behavior, Watcher},
    writer::Writer,
};
use crate::support::{Example, Redis, TICK};

/// Number of writers on each server.
const WRITERS: usize = 2;
const WATCHERS: usize = 6;

/// How long the servers run before the first kill.
const CALM: Duration = Duration::from_secs(4);
/// How long a killed server stays down.
const DOWNTIME: Duration = Duration::from_secs(2);
/// How long after the last write a client may differ from the table. The other servers find the
/// lease of a dead server after seven seconds.
const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_converge_over_redis() {
    let redis = Redis::start().await;
    let cluster = Arc::new(Cluster::start(Shared::Redis(redis)).await);
    converge(&cluster, &rule::REDIS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_converge_over_the_outbox() {
    let cluster = Arc::new(Cluster::start(Shared::Outbox).await);
    converge(&cluster, &rule::OUTBOX).await;
}

#[tokio::test]
async fn unknown_log_is_refused_with_a_hint() {
    for (name, lines) in [
        (
            "kafka://me:secret@host",
            &["`memory`", "redis://", "rediss://", "`outbox`"][..],
        ),
        ("outbox", &["DATABASE_URL=postgres://"]),
        ("redis://127.0.0.1/shop", &["`shop` is no database"]),
    ] {
        for example in ["todolist", "members"] {
            let output = Command::new(Example::program(example))
                .env("LIVE_LOG", name)
                .env_remove("DATABASE_URL")
                .output()
                .unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{name}");
            assert!(lines.iter().all(|line| stderr.contains(line)), "{stderr}");
            assert!(!stderr.contains("secret"), "{stderr}");
        }
    }
}

async fn converge(cluster: &Arc<Cluster>, rule: &'static Rule) {
    let start = Instant::now();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|number| Watcher::start(cluster, rule, number, Behavior::Roaming))
        .collect();
    for watcher in &watchers {
        watcher.wait_for_start().await;
    }
    let mut writers: Vec<_> = (0..WRITERS * Cluster::SERVERS)
        .map(|number| Writer::start(cluster, number, writer::ALL))
        .collect();
    sleep(CALM).await;

    let mut tally = Tally::default();
    if !rule.allows_kill_during_writes {
        for writer in writers.drain(..) {
            tally.add(&writer.stop().await);
        }
    }
    cluster.kill(1);
    sleep(DOWNTIME).await;
    cluster.restart(1).await;
    let number = writers.len();
    writers.extend(
        (number..WRITERS * Cluster::SERVERS)
            .map(|number| Writer::start(cluster, number, writer::ALL)),
    );
    if let Some(redis) = cluster.redis() {
        // Until the other servers have noticed the lost server.
        sleep(Duration::from_secs(4)).await;
        cluster.record_fault();
        redis.kill();
        sleep(DOWNTIME).await;
        redis.restart().await;
    }
    sleep(Duration::from_secs(3)).await;

    for writer in writers {
        tally.add(&writer.stop().await);
    }
    let written = start.elapsed();
    agree(cluster, &watchers).await;
    let converged = start.elapsed();
    for watcher in watchers {
        eprintln!("{}", watcher.stop().await);
    }
    eprintln!("{tally}; written after {written:?}, converged after {converged:?}");
    assert!(tally.done > 200, "too little was written: {tally}");
}

/// Writes one more row, and waits until the clients have it and agree with the table.
async fn agree(cluster: &Arc<Cluster>, watchers: &[Watcher]) {
    let sentinel = cluster.insert(1, "the last").await;
    for watcher in watchers {
        watcher.stop_roaming();
    }
    let deadline = Instant::now() + CONVERGENCE_TIMEOUT;
    loop {
        let table = cluster.rows().await;
        let mut differences = Vec::new();
        for watcher in watchers {
            watcher.assert_alive();
            differences.extend(watcher.differences(&table, sentinel));
        }
        if differences.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the clients differ from the table:\n{}",
            differences.join("\n")
        );
        sleep(TICK * 10).await;
    }
}
