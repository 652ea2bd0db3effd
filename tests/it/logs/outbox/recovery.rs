//! The server crashes and comes back, with the same data or with other data.

use std::time::Duration;

use rest_live::log::{Cursor, Event, EventLog, ReadError, Record, Tail, TransactionalLog};
use rest_live_outbox::OutboxLog;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{
    Follower, Server,
    follower::{fingerprint, read_all},
};
use crate::support::{TICK, soon};

/// Writes an event, and retries until the server accepts it.
pub(crate) async fn write_with_retries(server: &Server, log: &OutboxLog, model: &str) {
    let event = rest_live::log::StoredEvent {
        model: model.to_owned(),
        operation: rest_live::log::Operation::Reset,
        key: None,
        old: Vec::new(),
        new: None,
        captured: 0,
        node: None,
        began: None,
        scope: None,
        following: 0,
    };
    let events = [event];
    soon("a write", async {
        loop {
            let written = async {
                let transaction = server.db.begin().await?;
                log.append_stored_in(&transaction, &events).await?;
                transaction.commit().await
            };
            match written.await {
                Ok(()) => break,
                Err(_) => tokio::time::sleep(TICK).await,
            }
        }
    })
    .await;
    log.committed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_of_the_server_loses_nothing() {
    let server = Server::start().await;
    let log = server.open().await;
    let begin = log.head().await.unwrap();
    let mut follower = Follower::of(&log).await;
    let reads = tokio::spawn(async move {
        follower
            .until("the end", |follower| follower.has("end"))
            .await;
        follower
    });
    for round in 0..3 {
        for event in 0..50 {
            write_with_retries(&server, &log, &format!("{round} {event}")).await;
        }
        // A transaction is open during the crash, and its number never commits.
        let open = server.db.begin().await.unwrap();
        super::put(&log, &open, "never").await;
        write_with_retries(&server, &log, &format!("{round} last")).await;
        server.database.kill().await;
        drop(open);
        server.database.restart().await;
    }
    write_with_retries(&server, &log, "end").await;
    let mut follower = reads.await.unwrap();
    // The tail may report an outage, but not a loss.
    let lost = follower
        .signals
        .iter()
        .find(|signal| !matches!(signal, Tail::Away | Tail::Back));
    assert!(lost.is_none(), "{lost:?}");
    let mut delivered: Vec<_> = follower.entries.iter().map(fingerprint).collect();
    delivered.sort();
    assert_eq!(delivered, read_all(&log, &begin).await);
    assert_eq!(
        delivered.len() as i64,
        server.number("SELECT count(*) FROM live_event").await
    );
    assert!(!follower.has("never"));
    follower.until_watermark(delivered.last().unwrap().0).await;
}

#[tokio::test]
async fn outage_and_recovery_are_reported() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    server.write(&log, "before").await;
    follower.until_model("before").await;
    server.database.kill().await;
    let killed = std::time::Instant::now();
    let away = follower.signal("the outage").await;
    assert!(matches!(away, Tail::Away), "{away:?}");
    eprintln!("away after {:?}", killed.elapsed());
    assert!(killed.elapsed() >= Duration::from_millis(2900));
    let append = log.append(vec![Record::from(Event::reset("lost".into()))]);
    assert!(soon("the end of an append", append).await.is_err());
    assert!(log.head().await.is_err());
    server.database.restart().await;
    let back = follower.signal("the recovery").await;
    assert!(matches!(back, Tail::Back), "{back:?}");
    log.append(vec![Record::from(Event::reset("after".into()))])
        .await
        .unwrap();
    follower.until_model("after").await;
    assert!(follower.signals.is_empty());
    assert_eq!(follower.entries.len(), 2);
}

#[tokio::test]
async fn append_waits_for_a_short_outage() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    server.database.kill().await;
    let append = {
        let log = log.clone();
        tokio::spawn(async move {
            log.append(vec![Record::from(Event::reset("while away".into()))])
                .await
        })
    };
    server.database.restart().await;
    soon("the append", append).await.unwrap().unwrap();
    follower.until_model("while away").await;
}

#[tokio::test]
async fn new_epoch_is_a_reset() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    server.write(&log, "before").await;
    follower.until_model("before").await;
    let old = follower.watermark.clone();
    // Operators run this after they restore a backup.
    server
        .run("UPDATE live_meta SET epoch = gen_random_uuid()")
        .await;
    log.committed();
    let reset = follower.signal("a reset").await;
    assert!(matches!(reset, Tail::Reset(_)), "{reset:?}");
    assert_ne!(follower.watermark.epoch, old.epoch);
    assert_eq!(log.head().await.unwrap(), follower.watermark);
    assert!(matches!(log.read(old, 10).await, Err(ReadError::Epoch)));
    server.write(&log, "after").await;
    follower.until_model("after").await;
}

#[tokio::test]
async fn restored_dump_is_a_new_epoch() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for model in ["one", "two", "three"] {
        server.write(&log, model).await;
    }
    follower.until_model("three").await;
    let old = follower.watermark.clone();
    // As `pg_restore --clean` does: the same metadata and the same events, in a new table.
    server
        .run(
            "CREATE TABLE saved AS SELECT * FROM live_event WHERE seq < 3; DROP TABLE live_event; \
             CREATE TABLE live_event (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
             at timestamptz NOT NULL DEFAULT clock_timestamp(), model text NOT NULL, op \"char\" NOT NULL, \
             key json, old json, new json, node text, began text, scope text, \
             unit xid8 DEFAULT pg_current_xact_id()); \
             INSERT INTO live_event OVERRIDING SYSTEM VALUE SELECT * FROM saved; \
             SELECT setval('live_event_seq_seq', 2)",
        )
        .await;
    let reset = follower.signal("a reset").await;
    assert!(matches!(reset, Tail::Reset(_)), "{reset:?}");
    assert_ne!(follower.watermark.epoch, old.epoch);
    assert_eq!(follower.watermark.position, 2);
}

#[tokio::test]
async fn lost_events_are_a_reset() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for model in ["one", "two", "three"] {
        server.write(&log, model).await;
    }
    follower.until_model("three").await;
    // As after `synchronous_commit = off` and a crash.
    server
        .run("DELETE FROM live_event WHERE seq > 1; SELECT setval('live_event_seq_seq', 1)")
        .await;
    let reset = follower.signal("a reset").await;
    assert!(
        matches!(&reset, Tail::Reset(cursor) if cursor.position == 1),
        "{reset:?}"
    );
    let ahead = Cursor {
        position: 3,
        ..follower.watermark.clone()
    };
    assert!(matches!(log.read(ahead, 10).await, Err(ReadError::Ahead)));
}

#[tokio::test]
async fn promoted_standby_is_a_new_epoch() {
    let server = Server::start().await;
    let log = server.open().await;
    let old = log.head().await.unwrap();
    let file = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint";
    assert_eq!(server.number(file).await, 1);
    let folder = server.db.query_one_raw(sea_orm::Statement::from_string(
        sea_orm::DbBackend::Postgres,
        "SHOW data_directory",
    ));
    let folder: String = folder.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let mut follower = Follower::of(&log).await;
    server.database.kill().await;
    // The server starts as a standby without a primary, and is then promoted.
    std::fs::write(format!("{folder}/standby.signal"), "").unwrap();
    server.database.restart().await;
    soon("a connection", async {
        while server
            .db
            .execute_unprepared("SELECT pg_promote()")
            .await
            .is_err()
        {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    let reset = soon("a reset", async {
        loop {
            match follower.signal("a signal").await {
                Tail::Away | Tail::Back => {}
                reset => return reset,
            }
        }
    });
    assert!(matches!(reset.await, Tail::Reset(_)));
    assert_eq!(server.number(file).await, 2);
    assert_ne!(follower.watermark.epoch, old.epoch);
    assert!(matches!(log.read(old, 10).await, Err(ReadError::Epoch)));
}
