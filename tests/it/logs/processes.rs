//! Three servers that are programs of their own, on one PostgreSQL and one shared log: the todolist example, as a
//! stranger starts it. All of them are written to at once, clients come and go between them, servers and
//! Redis are killed; and clients that know nothing but their frames, and fetch only when a reset tells them to, end with
//! what is in the table.
//!
//! **Back in time.** A trigger puts a number behind the text of a task, which grows with each change of the row and under
//! its lock (`cluster.rs`). So a client can tell an older state from a newer one (`view.rs`).
//!
//! **Resets.** Before anything is killed there must be none, and afterwards only those that the log's [`Rule`] names.

mod away;
mod cluster;
mod rule;
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
    watcher::{Manners, Watcher},
    writer::Writer,
};
use crate::support::{Example, Redis, TICK};

/// How many write on each server.
const WRITERS: usize = 2;
const WATCHERS: usize = 6;

/// So long all goes well before the first kill.
const CALM: Duration = Duration::from_secs(4);
/// So long a killed server is away.
const GONE: Duration = Duration::from_secs(2);
/// So long after the last write a client may hold something else than the table: others find a dead server's lease after
/// seven seconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_three_processes_over_redis_end_with_what_is_in_the_table() {
    let redis = Redis::start().await;
    let cluster = Arc::new(Cluster::start(Shared::Redis(redis)).await);
    converge(&cluster, &rule::REDIS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_three_processes_over_the_outbox_end_with_what_is_in_the_table() {
    let cluster = Arc::new(Cluster::start(Shared::Outbox).await);
    converge(&cluster, &rule::OUTBOX).await;
}

#[tokio::test]
async fn a_log_that_is_none_is_refused_with_what_to_write() {
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
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{name}");
            assert!(lines.iter().all(|line| said.contains(line)), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}

async fn converge(cluster: &Arc<Cluster>, rule: &'static Rule) {
    let start = Instant::now();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|number| Watcher::start(cluster, rule, number, Manners::Restless))
        .collect();
    for watcher in &watchers {
        watcher.begun().await;
    }
    let mut writers: Vec<_> = (0..WRITERS * Cluster::SERVERS)
        .map(|number| Writer::start(cluster, number, writer::ALL))
        .collect();
    sleep(CALM).await;

    let mut tally = Tally::default();
    if !rule.is_killed_while_written_to {
        for writer in writers.drain(..) {
            tally.add(&writer.ended().await);
        }
    }
    cluster.kill(1);
    sleep(GONE).await;
    cluster.restart(1).await;
    let number = writers.len();
    writers.extend(
        (number..WRITERS * Cluster::SERVERS)
            .map(|number| Writer::start(cluster, number, writer::ALL)),
    );
    if let Some(redis) = cluster.redis() {
        // The others find out first that a server was lost.
        sleep(Duration::from_secs(4)).await;
        cluster.fault();
        redis.kill();
        sleep(GONE).await;
        redis.restart().await;
    }
    sleep(Duration::from_secs(3)).await;

    for writer in writers {
        tally.add(&writer.ended().await);
    }
    let written = start.elapsed();
    agree(cluster, &watchers).await;
    let converged = start.elapsed();
    for watcher in watchers {
        eprintln!("{}", watcher.ended().await);
    }
    eprintln!("{tally}; written after {written:?}, converged after {converged:?}");
    assert!(tally.done > 200, "too little was written: {tally}");
}

/// Writes one more row, and waits until the clients have it, and hold what is in the table.
async fn agree(cluster: &Arc<Cluster>, watchers: &[Watcher]) {
    let sentinel = cluster.insert(1, "the last").await;
    for watcher in watchers {
        watcher.settle();
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let table = cluster.rows().await;
        let mut differences = Vec::new();
        for watcher in watchers {
            watcher.is_well();
            differences.extend(watcher.differences(&table, sentinel));
        }
        if differences.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the clients hold something else than the table:\n{}",
            differences.join("\n")
        );
        sleep(TICK * 10).await;
    }
}
