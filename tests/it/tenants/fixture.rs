//! An application on PostgreSQL whose tenants have a schema each.

use rest_live::transport::Handshake;
use rest_live::{Live, LiveBuilder, LiveConnection, LiveTransaction, testing::Client};
use sea_orm::{ConnectionTrait, DatabaseConnection, Schema, TransactionTrait};
use serde_json::{Value, json};

use super::country;
use crate::support::{Engine, TestDatabase, database_of};

/// The application. Its database has the table `task` in the schemas `public`, `b` and `c`.
pub struct Tenants {
    pub live: Live,
    pub plain: DatabaseConnection,
    /// The last field, so that it is dropped after the connections.
    pub database: TestDatabase,
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
            database,
        }
    }

    pub fn db(&self) -> LiveConnection {
        self.live.db()
    }

    /// Begins a transaction that is bound to no scope, in the schema of a tenant.
    pub async fn begin_in(&self, schema: &str) -> LiveTransaction {
        begin(&self.db(), schema).await
    }

    /// Returns a client of a tenant, or of none, that is subscribed to list 1.
    pub async fn client(&self, scope: Option<&str>) -> Client {
        client(&self.live, scope).await
    }

    /// Returns clients of no tenant, of `b` and of `c`.
    pub async fn clients(&self) -> [Client; 3] {
        clients(&self.live).await
    }
}

/// Opens a fresh PostgreSQL with the tables.
pub async fn database() -> (DatabaseConnection, TestDatabase) {
    let (db, database) = database_of(Engine::Postgres).await;
    for schema in ["b", "c"] {
        create_schema(&db, schema).await;
    }
    let schema = Schema::new(db.get_database_backend());
    let country = schema.create_table_from_entity(country::Entity);
    db.execute(&country).await.unwrap();
    (db, database)
}

/// Creates the schema of a tenant.
pub async fn create_schema(db: &DatabaseConnection, schema: &str) {
    let sql = format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.task (LIKE public.task INCLUDING ALL)"
    );
    db.execute_unprepared(&sql).await.unwrap();
}

/// Begins a transaction in a schema.
pub async fn begin(db: &LiveConnection, schema: &str) -> LiveTransaction {
    let transaction = db.begin().await.unwrap();
    set_local(&transaction, schema).await;
    transaction
}

pub async fn set_local(transaction: &LiveTransaction, schema: &str) {
    let sql = format!("SET LOCAL search_path TO {schema}");
    transaction.execute_unprepared(&sql).await.unwrap();
}

/// Returns a client of a tenant, or of none, that is subscribed to list 1.
pub async fn client(live: &Live, scope: Option<&str>) -> Client {
    let handshake = Handshake::new(()).scope(scope.map(Into::into));
    let client = Client::connect(live, handshake);
    subscribe(&client, "todolist.Task").await;
    client
}

/// Returns clients of no tenant, of `b` and of `c`.
pub async fn clients(live: &Live) -> [Client; 3] {
    [
        client(live, None).await,
        client(live, Some("b")).await,
        client(live, Some("c")).await,
    ]
}

/// Subscribes to list 1 of a model.
pub async fn subscribe(client: &Client, model: &str) {
    client
        .send_json(json!({"model": model, "list_id": 1}))
        .await;
}

/// Returns the action and the text of each frame that a client has received.
pub async fn received(client: &mut Client) -> Vec<String> {
    let frames = client.received().await;
    frames.iter().map(describe).collect()
}

/// Asserts what the clients of no tenant, of `b` and of `c` have received.
#[track_caller]
pub fn expect<'c>(
    clients: &'c mut [Client; 3],
    expected: [&'c [&'c str]; 3],
) -> impl Future<Output = ()> + 'c {
    let caller = std::panic::Location::caller();
    async move {
        for ((client, expected), tenant) in clients.iter_mut().zip(expected).zip(["-", "b", "c"]) {
            assert_eq!(
                received(client).await,
                expected,
                "tenant {tenant} at {caller}"
            );
        }
    }
}

pub fn describe(frame: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match frame.get("action") {
        Some(action) => format!("{} {}", text(action), text(&frame["payload"]["text"])),
        // The reset of the plain dialect.
        None if frame["code"] == 410 => "reset".to_owned(),
        None => text(&frame["type"]),
    }
}
