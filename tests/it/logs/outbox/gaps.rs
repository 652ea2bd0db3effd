//! Sequence numbers that commit in another order than they were drawn, or never commit.

use rest_live::log::{EventLog, TransactionalLog};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{
    Follower, Server, event,
    follower::{fingerprint, read_all},
    put,
};

#[tokio::test]
async fn open_transaction_holds_only_the_watermark() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    assert_eq!(follower.begin.position, 0);
    let open = server.db.begin().await.unwrap();
    put(&log, &open, "late").await;
    server.write(&log, "early").await;
    follower.until_model("early").await;
    assert_eq!(follower.watermark.position, 0);
    // A new tail and a new node both begin before the open transaction.
    assert_eq!(log.head().await.unwrap().position, 0);
    let other = server.open().await;
    let second = Follower::of(&other).await;
    assert_eq!(second.begin.position, 0);
    server.write(&log, "early too").await;
    follower.until_model("early too").await;
    assert_eq!(follower.watermark.position, 0);
    open.commit().await.unwrap();
    log.committed();
    follower.until_model("late").await;
    follower.until_watermark(3).await;
    let models: Vec<&str> = follower.models().collect();
    assert_eq!(models, ["early", "early too", "late"]);
    let mut second = second;
    second.until_watermark(3).await;
    assert_eq!(second.entries.len(), 3);
    assert_eq!(log.head().await.unwrap().position, 3);
    // `read` returns what the tail delivered, in order.
    let mut delivered: Vec<_> = follower.entries.iter().map(fingerprint).collect();
    delivered.sort();
    assert_eq!(read_all(&log, &follower.begin).await, delivered);
}

#[tokio::test]
async fn late_transaction_precedes_later_writes() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let open = server.db.begin().await.unwrap();
    let late: Vec<_> = (0..2_500).map(|n| event(&format!("late {n}"))).collect();
    log.append_stored_in(&open, &late).await.unwrap();
    server.write(&log, "early").await;
    follower.until_model("early").await;
    open.commit().await.unwrap();
    // One poll finds this event together with the others, more than one batch holds. The order
    // matters, because the events may concern one row.
    server.write(&log, "after").await;
    follower.until_watermark(2_502).await;
    let late = late.iter().map(|event| event.model.as_str());
    let expected = ["early"].into_iter().chain(late).chain(["after"]);
    assert!(follower.models().eq(expected));
}

#[tokio::test]
async fn watermark_passes_rolled_back_numbers() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let aborted = server.db.begin().await.unwrap();
    put(&log, &aborted, "never").await;
    let open = server.db.begin().await.unwrap();
    put(&log, &open, "late").await;
    server.write(&log, "early").await;
    follower.until_model("early").await;
    aborted.rollback().await.unwrap();
    // A rollback to a savepoint, in a transaction that commits.
    let outer = server.db.begin().await.unwrap();
    put(&log, &outer, "outer").await;
    let inner = outer.begin().await.unwrap();
    put(&log, &inner, "never").await;
    inner.rollback().await.unwrap();
    put(&log, &outer, "outer too").await;
    outer.commit().await.unwrap();
    log.committed();
    follower.until_model("outer too").await;
    assert_eq!(
        follower.watermark.position, 0,
        "the open transaction may own one of the numbers"
    );
    open.commit().await.unwrap();
    log.committed();
    follower.until_watermark(6).await;
    let models: Vec<&str> = follower.models().collect();
    assert_eq!(models, ["early", "outer", "outer too", "late"]);
    // The same at the end of the log, where no later row reveals the gap.
    let aborted = server.db.begin().await.unwrap();
    put(&log, &aborted, "never").await;
    aborted.rollback().await.unwrap();
    assert_eq!(log.head().await.unwrap().position, 7);
    assert!(
        log.read(log.head().await.unwrap(), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn released_savepoint_holds_the_watermark() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let outer = server.db.begin().await.unwrap();
    let inner = outer.begin().await.unwrap();
    put(&log, &inner, "late").await;
    inner.commit().await.unwrap();
    for round in 0..10 {
        let model = format!("early {round}");
        server.write(&log, &model).await;
        follower.until_model(&model).await;
        assert_eq!(follower.watermark.position, 0);
    }
    outer.commit().await.unwrap();
    log.committed();
    follower.until_watermark(11).await;
    assert!(follower.has("late"));
}

#[tokio::test]
async fn prepared_transaction_holds_the_watermark() {
    let server = Server::start_with_prepared().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for commits in [true, false] {
        let before = log.head().await.unwrap().position;
        follower.until_watermark(before).await;
        let late = format!("late {commits}");
        let open = server.db.begin().await.unwrap();
        put(&log, &open, &late).await;
        // PostgreSQL lists a running transaction and a prepared one in different places. The log
        // sees both.
        for round in 0..3 {
            let model = format!("running {commits} {round}");
            server.write(&log, &model).await;
            follower.until_model(&model).await;
        }
        open.execute_unprepared("PREPARE TRANSACTION 'one'")
            .await
            .unwrap();
        // The session no longer owns the transaction, so this commit does nothing.
        open.commit().await.unwrap();
        for round in 0..10 {
            let model = format!("prepared {commits} {round}");
            server.write(&log, &model).await;
            follower.until_model(&model).await;
            assert_eq!(follower.watermark.position, before);
        }
        assert_eq!(log.head().await.unwrap().position, before);
        let word = if commits { "COMMIT" } else { "ROLLBACK" };
        server.run(&format!("{word} PREPARED 'one'")).await;
        follower.until_watermark(before + 14).await;
        assert_eq!(follower.has(&late), commits);
    }
}

#[tokio::test]
async fn prepared_transaction_survives_a_restart() {
    let server = Server::start_with_prepared().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let open = server.db.begin().await.unwrap();
    put(&log, &open, "late").await;
    server.write(&log, "early").await;
    follower.until_model("early").await;
    open.execute_unprepared("PREPARE TRANSACTION 'one'")
        .await
        .unwrap();
    open.commit().await.unwrap();
    server.database.restart().await;
    for round in 0..5 {
        let model = format!("after {round}");
        super::recovery::write_with_retries(&server, &log, &model).await;
        follower.until_model(&model).await;
        assert_eq!(follower.watermark.position, 0);
    }
    server.run("COMMIT PREPARED 'one'").await;
    follower.until_model("late").await;
    let last = server.number("SELECT max(seq) FROM live_event").await;
    follower.until_watermark(last as u64).await;
}
