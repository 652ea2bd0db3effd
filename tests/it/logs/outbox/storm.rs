//! Many writers change few rows, and abort and sleep. Two nodes receive every event once, in the
//! order of each row.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rest_live::log::{EventLog, Operation, StoredEvent, TransactionalLog};
use rest_live_outbox::OutboxLog;
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::value::to_raw_value;
use tokio::task::JoinSet;

use super::{
    Follower, Server,
    follower::{fingerprint, read_all},
};

const WRITERS: u64 = 8;
const DURATION: Duration = Duration::from_secs(8);
const ROWS: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_receive_each_event_once_and_in_order() {
    let server = Server::start().await;
    server
        .run("CREATE TABLE hot (id int PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
        .await;
    server
        .run(&format!(
            "INSERT INTO hot (id) SELECT generate_series(0, {})",
            ROWS - 1
        ))
        .await;
    let log = server.open().await;
    let other = server.open().await;
    let begin = log.head().await.unwrap();
    let mut followers = JoinSet::new();
    for log in [&log, &other] {
        let mut follower = Follower::of(log).await;
        followers.spawn(async move {
            follower
                .until("the end of the storm", |follower| follower.has("end"))
                .await;
            follower
        });
    }
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for seed in 0..WRITERS {
        let (db, log) = (server.db.clone(), log.clone());
        writers.spawn(async move { write(&db, &log, fastrand::Rng::with_seed(seed), start).await });
    }
    let (mut committed, mut aborted) = (0, 0);
    while let Some(counts) = writers.join_next().await {
        let counts = counts.unwrap();
        (committed, aborted) = (committed + counts.0, aborted + counts.1);
    }
    server.write(&log, "end").await;
    assert!(
        aborted * 10 > committed,
        "too few aborts: {aborted}, and {committed} commits"
    );
    let read = read_all(&log, &begin).await;
    let events = server.number("SELECT count(*) FROM live_event").await as usize;
    assert_eq!(read.len(), events);
    eprintln!("{committed} transactions, {aborted} aborted, {events} events");
    while let Some(follower) = followers.join_next().await {
        let mut follower = follower.unwrap();
        let head = log.head().await.unwrap().position;
        let last = server.number("SELECT max(seq) FROM live_event").await as u64;
        assert!(head >= last);
        follower.until_watermark(last).await;
        assert!(follower.signals.is_empty(), "{:?}", follower.signals);
        let mut delivered: Vec<_> = follower.entries.iter().map(fingerprint).collect();
        delivered.sort();
        assert_eq!(delivered, read, "an event was missed or delivered twice");
        let mut versions = BTreeMap::new();
        let mut late = 0;
        let mut greatest = 0;
        for (entry, event) in follower.entries.iter().zip(follower.stored()) {
            late += usize::from(entry.position < greatest);
            greatest = greatest.max(entry.position);
            let Some(key) = event.key.as_ref().filter(|_| event.model == "hot") else {
                continue;
            };
            let version: i64 = serde_json::from_str(event.new.as_ref().unwrap().get()).unwrap();
            let before = versions.insert(key.get().to_owned(), version).unwrap_or(0);
            assert_eq!(version, before + 1, "row {key} was delivered out of order");
        }
        eprintln!("a tail delivered {late} of them after a greater position");
    }
}

/// Writes for `DURATION`. Returns how many transactions committed and how many aborted.
async fn write(
    db: &sea_orm::DatabaseConnection,
    log: &OutboxLog,
    mut random: fastrand::Rng,
    start: Instant,
) -> (u64, u64) {
    let (mut committed, mut aborted) = (0, 0);
    while start.elapsed() < DURATION {
        let transaction = db.begin().await.unwrap();
        // Sorted, so that transactions cannot deadlock.
        let rows: BTreeSet<u64> = (0..random.u64(1..4)).map(|_| random.u64(0..ROWS)).collect();
        for row in rows {
            let update =
                format!("UPDATE hot SET version = version + 1 WHERE id = {row} RETURNING version");
            let update = Statement::from_string(DbBackend::Postgres, update);
            let updated = transaction.query_one_raw(update).await.unwrap().unwrap();
            let version: i64 = updated.try_get_by_index(0).unwrap();
            let event = StoredEvent {
                model: "hot".to_owned(),
                operation: Operation::Update,
                key: to_raw_value(&row).ok(),
                old: Vec::new(),
                new: to_raw_value(&version).ok(),
                captured: 0,
                node: None,
                began: None,
                scope: None,
                following: 0,
            };
            log.append_stored_in(&transaction, &[event]).await.unwrap();
            if random.u8(0..4) == 0 {
                tokio::time::sleep(Duration::from_millis(random.u64(0..60))).await;
            }
        }
        if random.u8(0..5) == 0 {
            aborted += 1;
            transaction.rollback().await.unwrap();
        } else {
            committed += 1;
            transaction.commit().await.unwrap();
            log.committed();
        }
    }
    (committed, aborted)
}
