//! An application on PostgreSQL whose tenants have a schema each.

use rest_live::{Live, LiveBuilder, LiveConnection, LiveTransaction, testing::Client};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use serde_json::{Value, json};

use crate::support::{Engine, TestDatabase, database_of};

/// The application. Its database has the table `task` in the schemas `public`, `b` and `c`.
pub struct Tenants {
    pub live: Live,
    pub plain: DatabaseConnection,
    /// The last field, so that it is dropped after the connections.
    _database: TestDatabase,
}

impl Tenants {
    pub async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    pub async fn start_with(set: impl FnOnce(LiveBuilder) -> LiveBuilder) -> Self {
        let (plain, database) = database().await;
        let live = set(Live::builder(plain.clone())).build().unwrap();
        Self {
            live,
            plain,
            _database: database,
        }
    }

    pub fn db(&self) -> LiveConnection {
        self.live.db()
    }

    /// Begins a transaction in the schema of a tenant, and binds it to no scope.
    pub async fn begin_in(&self, schema: &str) -> LiveTransaction {
        let transaction = self.db().begin().await.unwrap();
        set_local(&transaction, schema).await;
        transaction
    }
}

/// Opens a fresh PostgreSQL with the tables.
pub async fn database() -> (DatabaseConnection, TestDatabase) {
    let (db, database) = database_of(Engine::Postgres).await;
    for schema in ["b", "c"] {
        let sql = format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.task (LIKE public.task INCLUDING ALL)"
        );
        db.execute_unprepared(&sql).await.unwrap();
    }
    (db, database)
}

pub async fn set_local(transaction: &LiveTransaction, schema: &str) {
    let sql = format!("SET LOCAL search_path TO {schema}");
    transaction.execute_unprepared(&sql).await.unwrap();
}

/// Subscribes a client to list 1.
pub async fn subscribe(client: &Client) {
    client
        .send_json(json!({"model": "todolist.Task", "list_id": 1}))
        .await;
}

/// Returns the action and the text of each frame that a client has received.
pub async fn received(client: &mut Client) -> Vec<String> {
    let frames = client.received().await;
    frames.iter().map(describe).collect()
}

fn describe(frame: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match frame.get("action") {
        Some(action) => format!("{} {}", text(action), text(&frame["payload"]["text"])),
        None => text(&frame["type"]),
    }
}
