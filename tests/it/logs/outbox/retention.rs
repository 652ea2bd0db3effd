//! Old events are removed, and readers that still need them are reset.

use std::time::Duration;

use rest_live::log::{EventLog, ReadError, Tail, TransactionalLog};
use rest_live_outbox::OutboxLog;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{Follower, Server, put};
use crate::support::{TICK, soon};

async fn until_empty(server: &Server) {
    soon("the removal", async {
        while server.number("SELECT count(*) FROM live_event").await > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_slow_readers_are_reset() {
    let server = Server::start().await;
    // The events of these tests are from 2023, so they are old.
    let log = server.open().await;
    let mut slow = Follower::of(&log).await;
    let mut fast = Follower::of(&log).await;
    let begin = log.head().await.unwrap();
    for event in 0..10 {
        server.write(&log, &format!("{event}")).await;
    }
    fast.until_watermark(10).await;
    // Two nodes try to remove the events. One of them does it.
    let options = OutboxLog::options().keep(Duration::from_millis(200));
    let _nodes = [
        options.clone().open(server.db.clone()).await.unwrap(),
        options.open(server.db.clone()).await.unwrap(),
    ];
    until_empty(&server).await;
    assert_eq!(
        server.number("SELECT first_retained FROM live_meta").await,
        11
    );
    let reset = slow.signal("a reset").await;
    assert!(
        matches!(&reset, Tail::Reset(cursor) if cursor.position == 10),
        "{reset:?}"
    );
    assert!(slow.entries.is_empty());
    assert!(matches!(log.read(begin, 10).await, Err(ReadError::Expired)));
    let head = log.head().await.unwrap();
    assert!(log.read(head, 10).await.unwrap().is_empty());
    server.write(&log, "after").await;
    fast.until_model("after").await;
    slow.until_model("after").await;
    assert!(fast.signals.is_empty(), "{:?}", fast.signals);
}

#[tokio::test]
async fn events_after_an_open_transaction_stay() {
    let server = Server::start().await;
    let options = OutboxLog::options().keep(Duration::from_millis(100));
    let log = options.open(server.db.clone()).await.unwrap();
    let mut follower = Follower::of(&log).await;
    server.write(&log, "before").await;
    follower.until_model("before").await;
    let open = server.db.begin().await.unwrap();
    put(&log, &open, "late").await;
    server.write(&log, "early").await;
    follower.until_model("early").await;
    soon("the removal of the first event", async {
        while server.number("SELECT first_retained FROM live_meta").await < 2 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    // The removal runs repeatedly, and keeps the event after the open transaction.
    let settled = server.number("SELECT settled FROM live_meta").await;
    assert_eq!(settled, 1);
    assert_eq!(server.number("SELECT count(*) FROM live_event").await, 1);
    open.commit().await.unwrap();
    log.committed();
    follower.until_model("late").await;
    until_empty(&server).await;
    assert_eq!(
        server.number("SELECT first_retained FROM live_meta").await,
        4
    );
    follower.until_watermark(3).await;
    assert!(follower.signals.is_empty(), "{:?}", follower.signals);
}

#[tokio::test]
async fn new_node_begins_before_a_long_transaction() {
    let server = Server::start().await;
    // This node often looks for old events, and finds none.
    let options = OutboxLog::options().keep(Duration::from_secs(1));
    let log = options.open(server.db.clone()).await.unwrap();
    let never_expire = "ALTER TABLE live_event ALTER at SET DEFAULT '3000-01-01'";
    server.run(never_expire).await;
    for _ in 0..5 {
        server
            .run("INSERT INTO live_event (model, op) VALUES ('before', 'T')")
            .await;
    }
    soon("the settled position", async {
        while server.number("SELECT settled FROM live_meta").await < 5 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    let open = server.db.begin().await.unwrap();
    let late = "INSERT INTO live_event (model, op) VALUES ('late', 'T')";
    open.execute_unprepared(late).await.unwrap();
    let mut follower = Follower::of(&server.open().await).await;
    assert_eq!(follower.begin.position, 5);
    open.commit().await.unwrap();
    log.committed();
    follower.until_model("late").await;
}
