//! What a node asks the database while nothing happens.

use std::{collections::BTreeMap, time::Duration};

use rest_live::{Live, testing::Client};
use rest_live_outbox::{
    Options, OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use super::up;
use crate::{
    entities::task,
    support::{Engine, TICK, TestDatabase, database_of, soon, task as new_task},
};

/// How long nothing may be asked.
const MINUTE: Duration = Duration::from_secs(60);

/// A server without clients, on a database of its own.
struct IdleServer {
    live: Live,
    db: DatabaseConnection,
    /// A pool that opens one connection.
    observer: DatabaseConnection,
    _database: TestDatabase,
}

impl IdleServer {
    /// Starts a server that has written a row.
    async fn start(options: Options, has_triggers: bool) -> Self {
        let (db, database) = database_of(Engine::Postgres).await;
        up(&db, &Outbox).await;
        if has_triggers {
            up(&db, &Capture::of::<task::Entity>("todolist.Task")).await;
        }
        let log = options.open(db.clone()).await.unwrap();
        let live = Live::builder(db.clone()).log(log).build().unwrap();
        new_task(1, "milk", 1).insert(&live.db()).await.unwrap();
        Self {
            live,
            db,
            observer: database.connect().await,
            _database: database,
        }
    }

    /// Returns the start of the last statement of each other session of the database.
    async fn statements(&self) -> BTreeMap<i32, String> {
        let sql = "SELECT pid, query_start::text || ' ' || query FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND datname = current_database() \
                   AND pid <> pg_backend_pid()";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let rows = self.observer.query_all_raw(statement).await.unwrap();
        let row = |row: &sea_orm::QueryResult| {
            let pid: i32 = row.try_get_by_index(0).unwrap();
            let text: Option<String> = row.try_get_by_index(1).unwrap();
            (pid, text.unwrap_or_default())
        };
        rows.iter().map(row).collect()
    }

    /// Waits until the sessions have sent no statement for a while.
    async fn is_quiet(&self) -> BTreeMap<i32, String> {
        soon("silence", async {
            let mut before = self.statements().await;
            loop {
                // Longer than any interval of a task that is not idle.
                tokio::time::sleep(Duration::from_secs(6)).await;
                let now = self.statements().await;
                if now == before {
                    return now;
                }
                before = now;
            }
        })
        .await
    }
}

#[tokio::test]
async fn idle_node_asks_nothing_for_a_minute() {
    let options = OutboxLog::options;
    let servers = [
        IdleServer::start(options(), false).await,
        IdleServer::start(options(), true).await,
        IdleServer::start(options().without_listen(), false).await,
    ];
    let mut before = Vec::new();
    for server in &servers {
        before.push(server.is_quiet().await);
    }
    tokio::time::sleep(MINUTE).await;
    for (server, before) in servers.iter().zip(before) {
        assert_eq!(server.statements().await, before);
    }
    // A client wakes the log, which then finds what is written without a notification.
    for (id, server) in (2..).zip(&servers) {
        let mut client = Client::connect(&server.live, ());
        client
            .send_json(json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}}))
            .await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
        let other = OutboxLog::options().without_listen();
        let other = other.open(server.db.clone()).await.unwrap();
        let other: Live = Live::builder(server.db.clone()).log(other).build().unwrap();
        new_task(id, "bread", 1).insert(&other.db()).await.unwrap();
        assert_eq!(client.receive_json().await["payload"]["text"], "bread");
    }
}

/// The connection that listens ends while clients are subscribed.
#[tokio::test]
async fn lost_listener_is_replaced() {
    let server = IdleServer::start(OutboxLog::options(), false).await;
    let mut client = Client::connect(&server.live, ());
    client
        .send_json(json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}}))
        .await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    let listeners = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    let count = async || {
        let statement = Statement::from_string(DbBackend::Postgres, listeners);
        let row = server.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap()
    };
    let until = async |expected: i64| {
        soon("a listener", async {
            while count().await != expected {
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    };
    until(1).await;
    server.db.execute_unprepared(end).await.unwrap();
    until(0).await;
    // Found by polling, or by the new listener.
    let other = OutboxLog::open(server.db.clone()).await.unwrap();
    let other: Live = Live::builder(server.db.clone()).log(other).build().unwrap();
    new_task(2, "bread", 1).insert(&other.db()).await.unwrap();
    assert_eq!(client.receive_json().await["payload"]["text"], "bread");
    until(2).await;
}
