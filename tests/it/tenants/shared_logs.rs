//! Tenants on several servers: an event log outside of the process keeps scopes apart.

use rest_live::{Live, log::EventLog, testing::Client, transport::Handshake};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use rest_live_redis::RedisLog;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use serde_json::{Value, json};

use super::fixture::{begin, client, clients, database, describe, expect, received};
use crate::{
    entities::task::Entity,
    support::{Redis, SharedLog, soon, task},
};

/// Number of updates of one row by each tenant.
const UPDATES: i32 = 20;

#[tokio::test]
async fn redis_keeps_scopes_apart() {
    let redis = Redis::start().await;
    let (db, _database) = database().await;
    let log = async || {
        let url = redis.url();
        let connect = RedisLog::connect(&url);
        soon("a connection", connect).await.unwrap()
    };
    check(
        [start(&db, log().await), start(&db, log().await)],
        || async { start(&db, log().await) },
    )
    .await;
}

#[tokio::test]
async fn outbox_keeps_scopes_apart() {
    let (db, _database) = database().await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let log = async || OutboxLog::open(db.clone()).await.unwrap();
    check(
        [start(&db, log().await), start(&db, log().await)],
        || async { start(&db, log().await) },
    )
    .await;
}

#[tokio::test]
async fn triggers_write_the_scope_of_their_schema() {
    let (db, _database) = database().await;
    let manager = SchemaManager::new(&db);
    Outbox.up(&manager).await.unwrap();
    let capture = || Capture::of::<Entity>("todolist.Task");
    capture().up(&manager).await.unwrap();
    let of_b = capture().in_schema("b").scope("b");
    assert_ne!(of_b.name(), capture().name());
    of_b.up(&manager).await.unwrap();
    // As a copy of the schema does.
    db.execute_unprepared(
        "CREATE TRIGGER copied AFTER INSERT OR UPDATE OR DELETE ON c.task FOR EACH ROW \
         EXECUTE FUNCTION public.live_capture_task()",
    )
    .await
    .unwrap();
    let live = start(&db, OutboxLog::open(db.clone()).await.unwrap());
    let mut clients = clients(&live).await;
    let insert =
        |schema: &str| format!("INSERT INTO {schema}.task VALUES (1, '{schema}', false, 1)");
    for schema in ["c", "b", "public"] {
        db.execute_unprepared(&insert(schema)).await.unwrap();
    }
    let expected: [&[&str]; 3] = [&["CREATED public"], &["CREATED b"], &[]];
    expect(&mut clients, expected).await;
    // A live transaction with another path writes no event itself.
    let t = begin(&live.db(), "b").await;
    task(2, "live", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    expect(&mut clients, [&[], &["CREATED live"], &[]]).await;
    db.execute_unprepared("TRUNCATE b.task").await.unwrap();
    expect(&mut clients, [&[], &["reset"], &[]]).await;
    of_b.down(&manager).await.unwrap();
    db.execute_unprepared(&insert("b")).await.unwrap();
    expect(&mut clients, [&[], &[], &[]]).await;
}

#[tokio::test]
async fn partition_in_another_schema_is_captured() {
    let (db, _database) = database().await;
    let manager = SchemaManager::new(&db);
    db.execute_unprepared(
        "DROP TABLE public.task; \
         CREATE TABLE public.task (id int PRIMARY KEY, text text, done bool, list_id int) PARTITION BY RANGE (id); \
         CREATE SCHEMA old; CREATE TABLE old.task_1 PARTITION OF public.task FOR VALUES FROM (1) TO (9)",
    )
    .await
    .unwrap();
    Outbox.up(&manager).await.unwrap();
    let capture = Capture::of::<Entity>("todolist.Task");
    capture.up(&manager).await.unwrap();
    let live = start(&db, OutboxLog::open(db.clone()).await.unwrap());
    let mut client = client(&live, None).await;
    let insert = "INSERT INTO public.task VALUES (1, 'part', false, 1)";
    db.execute_unprepared(insert).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED part"]);
}

#[tokio::test]
async fn log_of_slow_appends_keeps_scopes_apart() {
    let (db, _database) = database().await;
    let log = SharedLog::new();
    check(
        [start(&db, log.clone()), start(&db, log.clone())],
        || async { start(&db, log.clone()) },
    )
    .await;
    // The field is absent without a scope.
    let written = log.written();
    let has_scope = |text: &&String| text.contains(r#""scope":"b""#);
    assert!(written.iter().any(|text| has_scope(&text)));
    assert!(!written[0].contains("scope"), "{}", written[0]);
}

fn start(db: &DatabaseConnection, log: impl EventLog) -> Live {
    Live::builder(db.clone()).log(log).build().unwrap()
}

async fn check(lives: [Live; 2], another: impl AsyncFn() -> Live) {
    let mut of_first = clients(&lives[0]).await;
    let mut of_second = clients(&lives[1]).await;
    let since = cursor(&lives[0]).await;
    insert(&lives, None, 0).await;
    insert(&lives, Some("b"), 0).await;
    insert(&lives, Some("c"), 1).await;
    let created: [&[&str]; 3] = [&["CREATED -"], &["CREATED b"], &["CREATED c"]];
    expect(&mut of_first, created).await;
    expect(&mut of_second, created).await;

    // Each server writes for one tenant, both the same key. These are different rows, so no server
    // reads one again.
    let update = async |live: &Live, scope: &str| {
        for change in 1..=UPDATES {
            let t = begin(&live.db().in_scope(scope), scope).await;
            let text = format!("{scope}{change}");
            task(1, &text, 1).update(&t).await.unwrap();
            t.commit().await.unwrap();
        }
    };
    tokio::join!(update(&lives[0], "b"), update(&lives[1], "c"));
    for clients in [&mut of_first, &mut of_second] {
        for (client, scope) in clients.iter_mut().zip(["-", "b", "c"]) {
            let count = if scope == "-" { 0 } else { UPDATES };
            let expected = (1..=count).map(|change| format!("UPDATED {scope}{change}"));
            assert_eq!(received(client).await, expected.collect::<Vec<_>>());
        }
    }
    // Raw SQL resets its own tenant.
    let t = begin(&lives[0].db().in_scope("c"), "c").await;
    t.execute_unprepared("UPDATE task SET done = true")
        .await
        .unwrap();
    t.commit().await.unwrap();
    expect(&mut of_second, [&[], &[], &["reset"]]).await;

    // A server that has just started reads what was missed from the log.
    let another = another().await;
    for scope in [None, Some("b"), Some("c")] {
        let frames = resume(&another, scope, &since).await;
        let is_reset = scope == Some("c");
        assert_eq!(frames[0]["recovered"], !is_reset, "{scope:?} {frames:?}");
        let last = match scope {
            None => "CREATED -".to_owned(),
            Some("b") => format!("CREATED b{UPDATES}"),
            Some(_) => "reset".to_owned(),
        };
        assert_eq!(frames.len(), 2, "{scope:?} {frames:?}");
        assert_eq!(describe(&frames[1]), last);
    }
}

/// Inserts the row with the key 1 in the schema of a tenant, on one of the servers.
async fn insert(lives: &[Live], scope: Option<&str>, server: usize) {
    let db = lives[server].db();
    let Some(scope) = scope else {
        task(1, "-", 1).insert(&db).await.unwrap();
        return;
    };
    let t = begin(&db.in_scope(scope), scope).await;
    task(1, scope, 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
}

async fn cursor(live: &Live) -> Value {
    let client = Client::connect(live, ());
    let mut client = subscribed(client, None).await;
    client.receive_json().await["cursor"].clone()
}

async fn resume(live: &Live, scope: Option<&str>, since: &Value) -> Vec<Value> {
    let handshake = Handshake::new(()).scope(scope.map(Into::into));
    let client = Client::connect(live, handshake);
    subscribed(client, Some(since)).await.received().await
}

async fn subscribed(client: Client, since: Option<&Value>) -> Client {
    let group = json!({"list_id": 1});
    let request = json!({"id": "a", "model": "todolist.Task", "group": group, "since": since});
    client.send_json(request).await;
    client
}
