//! Programs that write a row and end, in each way in which a process can end. Clients of a server
//! receive the row, and are reset only if an event may be lost.
//!
//! The program is the ignored test [`program`], which this test binary starts again.

mod program;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rest_live::{Live, log::EventLog, testing::Client};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait, TransactionTrait};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::{Value, json};

use self::program::Program;
use crate::{
    entities::task,
    support::{Engine, Redis, TICK, TestDatabase, database_of, soon, task as new_task},
};

const LEASES: &str = "ZCARD rest-live:nodes";
const CLEAN: &str = "SCARD rest-live:nodes:clean";

/// A server with a client of all tasks in list 1, which writes one row to end a test.
struct Server {
    live: Live,
    client: Client,
    db: DatabaseConnection,
    database: TestDatabase,
}

impl Server {
    async fn start(engine: Engine, log: impl EventLog) -> Self {
        let (db, database) = database_of(engine).await;
        Self::start_on(db, database, log).await
    }

    async fn start_on(db: DatabaseConnection, database: TestDatabase, log: impl EventLog) -> Self {
        let live = Live::builder(db.clone()).log(log).build().unwrap();
        for id in [2, 3] {
            new_task(id, "old", 1).insert(&db).await.unwrap();
        }
        let mut client = Client::connect(&live, ());
        client
            .send_json(json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}}))
            .await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        Self {
            live,
            client,
            db,
            database,
        }
    }

    fn program(&self, log: &str, write: &str, end: &str) -> Program {
        Program::start(&self.database.url(), log, write, end)
    }

    /// Writes a row, and returns the other frames that the client has received. A reset comes after
    /// all others, because a client fetches after it.
    async fn frames(&mut self) -> Vec<Value> {
        let last = new_task(1000, "last", 1);
        last.insert(&self.live.db()).await.unwrap();
        let mut frames = self.client.received().await;
        let received = frames.len();
        frames.retain(|frame| frame["payload"]["text"] != "last");
        assert_eq!(frames.len() + 1, received, "{frames:?}");
        // On a connection that is not captured.
        let last = task::Entity::delete_by_id(1000);
        last.exec(&self.db).await.unwrap();
        frames
    }

    /// Waits until the client receives a reset, and returns its reason.
    async fn reset(&mut self) -> Value {
        loop {
            let mut frame = self.client.receive_json().await;
            if frame["type"] == "reset" {
                return frame["reason"].take();
            }
        }
    }
}

/// Returns the actions and texts of broadcasts, sorted. Other frames stay as they are, except that
/// those that end a unit are left out.
fn broadcasts(frames: &[Value]) -> Vec<String> {
    let mut texts: Vec<_> = frames
        .iter()
        .filter(|frame| frame["type"] != "unit")
        .map(|frame| match frame["type"].as_str() {
            Some("broadcast") => format!(
                "{} {}",
                frame["action"].as_str().unwrap(),
                frame["payload"]["text"].as_str().unwrap()
            ),
            _ => frame.to_string(),
        })
        .collect();
    texts.sort();
    texts
}

/// Waits until a command has the answer.
async fn until(redis: &Redis, words: &str, answer: u64) {
    soon(&format!("{answer} as the answer of {words}"), async {
        while redis.ask::<u64>(words).await != answer {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}

/// Starts a program, and waits until Redis knows that it has committed nothing.
async fn idle_program(redis: &Redis, server: &Server, write: &str) -> Program {
    let mut program = server.program(&redis.url(), write, "SIGKILL");
    program.line("connected").await;
    until(redis, LEASES, 2).await;
    until(redis, CLEAN, 2).await;
    program
}

async fn redis_server() -> (Redis, Server) {
    let redis = Redis::start().await;
    let log = RedisLog::connect(&redis.url()).await.unwrap();
    let server = Server::start(Engine::Sqlite, log).await;
    (redis, server)
}

/// How a program ends whose events are all in the log.
const ENDS: [&str; 8] = [
    "return", "exit", "abort", "panic", "shutdown", "SIGINT", "SIGTERM", "SIGKILL",
];

#[tokio::test]
async fn end_of_a_program_resets_no_client() {
    let (redis, mut server) = redis_server().await;
    let url = redis.url();
    let programs = ENDS.map(|end| server.program(&url, &format!("insert {end}"), end));
    join_all(programs.map(Program::end)).await;
    // The leases of those that did not leave expire.
    until(&redis, LEASES, 1).await;
    let mut created = ENDS.map(|end| format!("CREATED {end}"));
    created.sort();
    // A program that starts during the write of another one reads its row again.
    let mut received = broadcasts(&server.frames().await);
    received.retain(|frame| !ENDS.iter().any(|end| *frame == format!("UPDATED {end}")));
    assert_eq!(received, created);
    assert_eq!(redis.ask::<u64>(CLEAN).await, 1);
}

#[tokio::test]
async fn first_write_of_a_program_has_its_action() {
    let (redis, mut server) = redis_server().await;
    for (write, expected) in [
        ("insert new", "CREATED new"),
        ("update changed", "UPDATED changed"),
        ("delete 3", "DELETED old"),
        ("plain by a hook", "CREATED by a hook"),
        ("transaction of one", "CREATED of one"),
    ] {
        server.program(&redis.url(), write, "exit").end().await;
        assert_eq!(broadcasts(&server.frames().await), [expected], "{write}");
    }
}

#[tokio::test]
async fn failed_writes_reset_no_client() {
    let (redis, mut server) = redis_server().await;
    let url = redis.url();
    let programs = ["rollback all", "failure by a key"].map(|write| {
        let program = server.program(&url, write, "exit");
        program.end()
    });
    join_all(programs).await;
    until(&redis, LEASES, 1).await;
    assert_eq!(broadcasts(&server.frames().await), [""; 0]);
}

#[tokio::test]
async fn first_write_over_the_outbox_has_its_action() {
    let (db, database) = database_of(Engine::Postgres).await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let log = OutboxLog::open(db.clone()).await.unwrap();
    let mut server = Server::start_on(db, database, log).await;
    for (write, expected) in [
        ("insert new", "CREATED new"),
        ("update changed", "UPDATED changed"),
        ("delete 3", "DELETED old"),
        ("plain by a hook", "CREATED by a hook"),
    ] {
        server.program("outbox", write, "return").end().await;
        assert_eq!(broadcasts(&server.frames().await), [expected], "{write}");
    }
}

#[tokio::test]
async fn killed_with_queued_events_resets_clients() {
    let (redis, mut server) = redis_server().await;
    let program = idle_program(&redis, &server, "insert queued").await;
    redis.pause();
    program.end().await;
    redis.resume();
    assert_eq!(server.reset().await, "node_lost");
}

/// The program is idle when Redis stops to reply, and writes after it has noticed that.
#[tokio::test]
async fn killed_in_a_long_outage_resets_clients() {
    let (redis, mut server) = redis_server().await;
    let program = idle_program(&redis, &server, "insert queued").await;
    redis.pause();
    // The connections time out after five seconds, and new ones after two.
    tokio::time::sleep(Duration::from_secs(8)).await;
    program.end().await;
    redis.resume();
    assert_eq!(server.reset().await, "node_lost");
}

/// Redis replies, but accepts no writes.
#[tokio::test]
async fn killed_while_redis_refuses_resets_clients() {
    for (setting, value) in [("maxmemory", 1), ("min-replicas-to-write", 1)] {
        let (redis, mut server) = redis_server().await;
        let program = idle_program(&redis, &server, "insert refused").await;
        let _: String = redis.ask(&format!("CONFIG SET {setting} {value}")).await;
        program.end().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _: String = redis.ask(&format!("CONFIG SET {setting} 0")).await;
        assert_eq!(server.reset().await, "node_lost", "{setting}");
    }
}

/// A write may be committed at the moment at which its process is killed.
#[tokio::test]
async fn killed_during_a_write_resets_clients() {
    let (redis, mut server) = redis_server().await;
    let lock = server.db.begin().await.unwrap();
    let other = new_task(500, "locks the database", 2);
    other.insert(&lock).await.unwrap();
    let mut program = idle_program(&redis, &server, "insert waiting").await;
    program.proceed();
    // It is not clean before it waits for the lock.
    until(&redis, CLEAN, 1).await;
    program.kill().await;
    assert_eq!(server.reset().await, "node_lost");
    lock.rollback().await.unwrap();
}

/// The program writes a row at the same time as the server, so its event is withheld. It has ended
/// before it could read the row again.
#[tokio::test]
async fn server_reads_a_row_whose_writer_has_ended() {
    let (redis, mut server) = redis_server().await;
    let mut is_withheld = false;
    for round in 0..3 {
        // The lease of the previous program has expired.
        until(&redis, LEASES, 1).await;
        let transaction = server.live.db().begin().await.unwrap();
        let by_server = format!("server {round}");
        let update = new_task(2, &by_server, 1);
        update.update(&transaction).await.unwrap();
        let text = format!("program {round}");
        let mut program = server.program(&redis.url(), &format!("update {text}"), "exit");
        program.line("connected").await;
        until(&redis, CLEAN, 2).await;
        program.proceed();
        // It waits for the lock of the database. The server, whose transaction is open, is clean.
        until(&redis, LEASES, 2).await;
        until(&redis, CLEAN, 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        transaction.commit().await.unwrap();
        let committed = Instant::now();
        program.ended().await;
        let mut texts = Vec::new();
        while texts.last() != Some(&text) {
            let frame = server.client.receive_json().await;
            texts.push(frame["payload"]["text"].as_str().unwrap().to_owned());
        }
        assert_eq!(texts, [by_server, text]);
        is_withheld = committed.elapsed() > Duration::from_secs(1);
        if is_withheld {
            break;
        }
    }
    assert!(
        is_withheld,
        "no update was withheld: this test proves nothing"
    );
}
