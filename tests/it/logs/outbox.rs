//! The outbox: an event log in the application's PostgreSQL. Each test starts its own server and
//! checks the guarantees of the log while transactions overlap, abort or stay open, and while the
//! server crashes.

mod append;
mod captured;
mod contract;
mod filters;
mod follower;
mod gaps;
mod idle;
mod nodes;
mod notifications;
mod opening;
mod recovery;
mod retention;
mod storm;
mod transactional;
mod trigger_faults;
mod trigger_units;

use rest_live::log::{Operation, StoredEvent};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, entity::prelude::*};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::value::to_raw_value;

use self::follower::Follower;
use crate::support::{Engine, TestDatabase};

/// A PostgreSQL server with the tables of the outbox.
struct Server {
    database: TestDatabase,
    db: DatabaseConnection,
}

impl Server {
    async fn start() -> Self {
        let database = TestDatabase::start(Engine::Postgres).await;
        let db = database.connect().await;
        up(&db, &Outbox).await;
        Self { database, db }
    }

    /// Starts a server that allows prepared transactions.
    async fn start_with_prepared() -> Self {
        let server = Self::start().await;
        server
            .run("ALTER SYSTEM SET max_prepared_transactions = 10")
            .await;
        server.database.restart().await;
        server
    }

    async fn run(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = self.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    async fn open(&self) -> OutboxLog {
        OutboxLog::open(self.db.clone()).await.unwrap()
    }

    /// Appends an event in its own transaction, then reports the commit to the log.
    async fn write(&self, log: &OutboxLog, model: &str) {
        use rest_live::log::TransactionalLog;
        put(log, &self.db, model).await;
        log.committed();
    }
}

async fn up(db: &DatabaseConnection, migration: &dyn MigrationTrait) {
    migration.up(&SchemaManager::new(db)).await.unwrap();
}

async fn down(db: &DatabaseConnection, migration: &dyn MigrationTrait) {
    migration.down(&SchemaManager::new(db)).await.unwrap();
}

/// Appends an event. In these tests, the name of the model identifies the event.
async fn put(log: &OutboxLog, connection: &impl ConnectionTrait, model: &str) {
    let events = [event(model)];
    log.append_stored_in(connection, &events).await.unwrap();
}

/// Returns an event with every field set, and with text that PostgreSQL could misinterpret.
fn event(model: &str) -> StoredEvent {
    let text = "a \"b\" \\ {c,d} 'e' NULL\n\u{0}";
    StoredEvent {
        model: model.to_owned(),
        operation: Operation::Update,
        key: to_raw_value(&[1, 7]).ok(),
        old: vec![to_raw_value(&text).unwrap(), to_raw_value(&1e300).unwrap()],
        new: to_raw_value(&serde_json::json!({"id": 7, "text": text})).ok(),
        captured: 1_700_000_000_123_456,
        node: Some("n\"1".to_owned()),
        began: Some("now.3".to_owned()),
        scope: Some("a \\ \"tenant\"".to_owned()),
        following: 0,
    }
}

/// An entity with a renamed column and a secret column.
mod task {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub list_id: i32,
        #[sea_orm(column_name = "text of it")]
        pub text: String,
        pub token: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn capture() -> Capture {
    Capture::of::<task::Entity>("todolist.Task").without([task::Column::Token])
}
