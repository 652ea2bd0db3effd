//! The event log in the application's PostgreSQL, on servers of its own: what it promises, while transactions overlap, abort,
//! stay open, and the server dies.

mod captured;
mod contract;
mod follow;
mod gaps;
mod lives;
mod nodes;
mod opening;
mod retention;
mod storm;
mod transactional;
mod waking;

use rest_live::log::{Operation, StoredEvent};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, entity::prelude::*};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::value::to_raw_value;

use self::follow::Follower;
use crate::support::{Engine, TestDatabase};

/// A server, with the tables of the outbox on it.
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

    /// One on which transactions can be prepared.
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

    /// Writes an event of a model in a transaction of its own, and tells of it.
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

/// Writes an event of a model, which is its name in these tests.
async fn put(log: &OutboxLog, connection: &impl ConnectionTrait, model: &str) {
    let events = [event(model)];
    log.append_stored_in(connection, &events).await.unwrap();
}

/// An event with all that one can have, and with all that has a meaning to PostgreSQL.
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
    }
}

/// A table with an own name for a column, a secret, and a type that has no operator to compare it.
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
