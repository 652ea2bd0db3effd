//! The cursor of a response to a write: what it covers, and when it is missing.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rest_live::Live;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

use super::HttpServer;
use crate::{
    entities::task,
    support::{App, GateLog, LogKind, Servers, alone, database, soon, task as new_task},
};

#[tokio::test]
async fn unknown_cursor_is_no_header() {
    let servers = Servers::start(LogKind::Redis).await;
    let redis = servers.redis().unwrap();
    let server = HttpServer::start(&servers).await;
    server.write("POST", 1, "insert").await;
    redis.pause();
    let start = Instant::now();
    for row in 2..=4 {
        let response = server.respond("POST", row, "insert").await;
        assert!(response.status().is_success(), "{response:?}");
        assert!(!response.headers().contains_key("live-cursor"));
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    redis.resume();
    soon("a cursor", async {
        while server.live.cursor_after_writes().await.is_none() {}
    })
    .await;
    server.write("POST", 5, "insert").await;
}

/// A write returns while another one of the same row is being appended: its event follows later.
#[tokio::test]
async fn cursor_covers_a_row_that_is_read_again() {
    let (db, _database) = database().await;
    let log = GateLog::default();
    let live: Live = Live::builder(db).log(log.clone()).build().unwrap();
    let db = live.db();
    new_task(1, "first", 1).insert(&db).await.unwrap();
    log.shut();
    let held = tokio::spawn({
        let db = db.clone();
        async move { new_task(1, "held", 1).update(&db).await.unwrap() }
    });
    log.arrived().await;
    new_task(1, "second", 1).update(&db).await.unwrap();
    let mut cursor = Box::pin(live.cursor_after_writes());
    assert!((&mut cursor).now_or_never().is_none());
    log.open();
    let cursor = soon("a cursor", cursor).await.expect("it is known");
    let appended = log.taken();
    assert_eq!(appended.len() as u64, cursor.position);
    assert_eq!(appended.last().unwrap().as_ref().unwrap().text, "second");
    held.await.unwrap();
}

/// If the reread does not come in time, the cursor is not known.
#[tokio::test]
async fn slow_append_makes_the_cursor_unknown() {
    let (db, _database) = database().await;
    let log = GateLog::default();
    let live: Live = Live::builder(db).log(log.clone()).build().unwrap();
    let db = live.db();
    new_task(1, "first", 1).insert(&db).await.unwrap();
    log.shut();
    let held = tokio::spawn({
        let db = db.clone();
        async move { new_task(1, "held", 1).update(&db).await.unwrap() }
    });
    log.arrived().await;
    new_task(1, "second", 1).update(&db).await.unwrap();
    let cursor = soon("an answer", live.cursor_after_writes()).await;
    assert_eq!(cursor, None);
    log.open();
    held.await.unwrap();
}

/// The update has no second hook, and is published when that has not come for two seconds.
#[tokio::test]
async fn pending_plain_write_makes_the_cursor_unknown() {
    let path = concat!(
        module_path!(),
        "::pending_plain_write_makes_the_cursor_unknown"
    );
    alone(path, async {
        let app = App::start().await;
        app.insert_task(1, "a", 1).await;
        app.live.capture_plain_connections();
        assert!(app.live.cursor_after_writes().await.is_some());
        let update = task::ActiveModel {
            text: Set("b".to_owned()),
            ..new_task(1, "a", 1)
        };
        let update = update.update_without_returning(&app.plain);
        update.await.unwrap();
        assert_eq!(app.live.cursor_after_writes().await, None);
        soon("a cursor", async {
            while app.live.cursor_after_writes().await.is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    })
    .await;
}
