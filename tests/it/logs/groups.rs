//! Groups of several columns and of all rows, through logs that several servers share.

use rest_live::{Live, log::EventLog, testing::Client};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use rest_live_redis::RedisLog;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::json;

use crate::{
    entities::question,
    support::{Engine, Redis, database_of},
};

/// Follows all rows, and one pair of a course and a queue, at a server.
async fn follow(live: &Live) -> [Client; 2] {
    let follow = async |group: serde_json::Value| {
        let mut client = Client::connect(live, ());
        let request = json!({"id": 1, "model": "school.Question", "group": group});
        client.send_json(request).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        client
    };
    [
        follow(json!({})).await,
        follow(json!({"queue_id": 7, "course_id": 1})).await,
    ]
}

async fn expect(client: &mut Client, action: &str, text: &str) {
    let mut frame = client.receive_json().await;
    // The move before it is a unit.
    if frame["type"] == "unit" {
        frame = client.receive_json().await;
    }
    assert_eq!(frame["action"], action, "{frame}");
    assert_eq!(frame["payload"], json!({"id": 1, "text": text}), "{frame}");
}

fn question(text: &str, queue_id: Option<i32>) -> question::ActiveModel {
    question::ActiveModel {
        id: Set(1),
        text: Set(text.to_owned()),
        course_id: Set(1),
        queue_id: Set(queue_id),
    }
}

fn build(db: &DatabaseConnection, log: impl EventLog) -> Live {
    Live::<()>::builder(db.clone()).log(log).build().unwrap()
}

/// Writes at one server and follows at the other.
async fn assert_followed(writer: &Live, reader: &Live) {
    let [mut all, mut pair] = follow(reader).await;
    let db = writer.db();
    question("a", Some(7)).insert(&db).await.unwrap();
    expect(&mut all, "CREATED", "a").await;
    expect(&mut pair, "CREATED", "a").await;
    // Only one column of the key is set.
    let moved = question::ActiveModel {
        id: Set(1),
        queue_id: Set(Some(8)),
        ..Default::default()
    };
    moved.update(&db).await.unwrap();
    expect(&mut all, "UPDATED", "a").await;
    expect(&mut pair, "DELETED", "a").await;
    question("b", None).update(&db).await.unwrap();
    expect(&mut all, "UPDATED", "b").await;
    question("b", Some(7)).update(&db).await.unwrap();
    expect(&mut all, "UPDATED", "b").await;
    expect(&mut pair, "CREATED", "b").await;
    question::Entity::delete_by_id(1).exec(&db).await.unwrap();
    expect(&mut all, "DELETED", "b").await;
    expect(&mut pair, "DELETED", "b").await;
}

#[tokio::test]
async fn redis_carries_what_each_group_sees() {
    let redis = Redis::start().await;
    let (db, _database) = database_of(Engine::Sqlite).await;
    let [writer, reader] = [
        build(&db, RedisLog::connect(&redis.url()).await.unwrap()),
        build(&db, RedisLog::connect(&redis.url()).await.unwrap()),
    ];
    assert_followed(&writer, &reader).await;
}

#[tokio::test]
async fn outbox_carries_what_each_group_sees() {
    let (db, _database) = database_of(Engine::Postgres).await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let [writer, reader] = [
        build(&db, OutboxLog::open(db.clone()).await.unwrap()),
        build(&db, OutboxLog::open(db.clone()).await.unwrap()),
    ];
    assert_followed(&writer, &reader).await;
}

#[tokio::test]
async fn triggers_capture_what_each_group_sees() {
    let (db, _database) = database_of(Engine::Postgres).await;
    let manager = SchemaManager::new(&db);
    Outbox.up(&manager).await.unwrap();
    let capture = Capture::of::<question::Entity>("school.Question").named("questions");
    capture.up(&manager).await.unwrap();
    let [writer, reader] = [
        build(&db, OutboxLog::open(db.clone()).await.unwrap()),
        build(&db, OutboxLog::open(db.clone()).await.unwrap()),
    ];
    assert_followed(&writer, &reader).await;
    // Another program writes.
    let [mut all, mut pair] = follow(&reader).await;
    for (sql, action) in [
        ("INSERT INTO question VALUES (1, 'a', 1, 7)", "CREATED"),
        ("UPDATE question SET queue_id = NULL", "DELETED"),
        ("UPDATE question SET queue_id = 7", "CREATED"),
    ] {
        db.execute_unprepared(sql).await.unwrap();
        let all_sees = if sql.starts_with("INSERT") {
            "CREATED"
        } else {
            "UPDATED"
        };
        expect(&mut all, all_sees, "a").await;
        expect(&mut pair, action, "a").await;
    }
}
