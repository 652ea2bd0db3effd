//! A model with a filter and the outbox, with and without triggers.

use rest_live::{Live, log::TransactionalLog, testing::Client};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use super::up;
use crate::{
    entities::post,
    support::{Engine, TestDatabase, database_of},
};

/// A server of the application, and a connection of another program.
struct World {
    live: Live,
    program: sea_orm::DatabaseConnection,
    client: Client,
    _database: TestDatabase,
}

impl World {
    async fn start(has_triggers: bool) -> Self {
        let (program, database) = database_of(Engine::Postgres).await;
        up(&program, &Outbox).await;
        if has_triggers {
            up(&program, &Capture::of::<post::Entity>("blog.Post")).await;
        }
        let db = database.connect().await;
        let log = OutboxLog::open(db.clone()).await.unwrap();
        assert_eq!(log.captures(None, "post"), has_triggers);
        let live = Live::builder(db).log(log).build().unwrap();
        let mut client = Client::connect(&live, ());
        client.send_json(blog(1, None)).await;
        client.send_json(blog(2, None)).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        assert_eq!(client.receive_json().await["type"], "subscribed");
        Self {
            live,
            program,
            client,
            _database: database,
        }
    }

    async fn run(&self, sql: &str) {
        self.program.execute_unprepared(sql).await.unwrap();
    }

    /// Asserts the next broadcasts, and returns the cursor of the last one.
    async fn expect<const N: usize>(&mut self, expected: [&str; N]) -> Value {
        let (mut received, mut last) = (Vec::new(), Value::Null);
        for _ in 0..N {
            last = self.client.receive_json().await;
            received.push(summary(&last));
        }
        received.sort();
        assert_eq!(received, expected);
        if last.get("unit").is_some() {
            assert_eq!(self.client.receive_json().await["type"], "unit");
        }
        last["cursor"].clone()
    }
}

fn blog(id: i32, since: Option<&Value>) -> Value {
    json!({"id": id, "model": "blog.Post", "group": {"blog_id": id}, "since": since})
}

fn summary(frame: &Value) -> String {
    let text = frame["payload"]["text"].as_str().unwrap_or("-");
    let (group, action) = (&frame["group"]["blog_id"], &frame["action"]);
    format!("{group} {} {text}", action.as_str().unwrap_or("-"))
}

/// Other programs soft-delete with bulk statements, which the triggers see row by row.
#[tokio::test]
async fn triggers_show_what_is_listed() {
    let mut world = World::start(true).await;
    world
        .run(
            "INSERT INTO post (id, text, blog_id, published, deleted) VALUES \
             (1, 'a', 1, true, false), (2, 'b', 1, false, false), (3, 'c', 2, true, false), \
             (4, 'd', 2, true, true)",
        )
        .await;
    world.expect(["1 CREATED a", "2 CREATED c"]).await;
    world.run("UPDATE post SET text = text || '!'").await;
    let since = world.expect(["1 UPDATED a!", "2 UPDATED c!"]).await;
    world.run("UPDATE post SET deleted = true").await;
    world.expect(["1 DELETED a!", "2 DELETED c!"]).await;
    world
        .run("UPDATE post SET deleted = false, blog_id = 1, published = id <> 1")
        .await;
    world
        .expect(["1 CREATED b!", "1 CREATED c!", "1 CREATED d!"])
        .await;
    world.run("DELETE FROM post WHERE id < 3").await;
    world.expect(["1 DELETED b!"]).await;

    let mut late = Client::connect(&world.live, ());
    late.send_json(blog(1, Some(&since))).await;
    let subscribed = late.receive_json().await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    let mut missed = Vec::new();
    for _ in 0..4 {
        missed.push(summary(&late.receive_json().await));
    }
    assert_eq!(late.receive_json().await["type"], "unit");
    missed.sort();
    assert_eq!(
        missed,
        [
            "1 CREATED c!",
            "1 CREATED d!",
            "1 DELETED a!",
            "1 DELETED b!"
        ]
    );
    late.receive_nothing().await;
    world.client.receive_nothing().await;
}

#[tokio::test]
async fn transactional_outbox_shows_what_is_listed() {
    let mut world = World::start(false).await;
    let db = world.live.db();
    let post = |id, published| post::ActiveModel {
        id: Set(id),
        text: Set(format!("post {id}")),
        blog_id: Set(1),
        published: Set(published),
        deleted: Set(false),
    };
    post(1, true).insert(&db).await.unwrap();
    post(2, false).insert(&db).await.unwrap();
    post(2, true).update(&db).await.unwrap();
    world.expect(["1 CREATED post 1", "1 CREATED post 2"]).await;
    let transaction = db.begin().await.unwrap();
    post(1, false).update(&transaction).await.unwrap();
    post(1, true).update(&transaction).await.unwrap();
    post(2, false).update(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    world.expect(["1 DELETED post 2", "1 UPDATED post 1"]).await;
    world.client.receive_nothing().await;
}
