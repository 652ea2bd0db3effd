//! A PostgreSQL whose table `task` has row security: a row belongs to a user, and a connection sees
//! the rows of the user that its transaction has set.

use std::collections::BTreeMap;

use rest_live::{
    Live, LiveBuilder, LiveTransaction,
    log::EventLog,
    transport::{Outgoing, Session},
};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbErr, EntityTrait, QueryFilter, TransactionTrait, sea_query::Expr,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::Value;

use super::{Engine, TestDatabase, database_of, soon, task as new_task};
use crate::entities::task;

/// `app` and `reader` are roles without and with `BYPASSRLS`.
const SETUP: &str = "\
    CREATE ROLE app LOGIN; \
    CREATE ROLE reader LOGIN BYPASSRLS; \
    ALTER TABLE task ADD owner text NOT NULL DEFAULT 'u1'; \
    ALTER TABLE task ENABLE ROW LEVEL SECURITY; \
    CREATE POLICY own ON task USING (owner = current_setting('app.uid', true)); \
    GRANT ALL ON ALL TABLES IN SCHEMA public TO app; \
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app; \
    GRANT SELECT, UPDATE ON task TO reader";

pub struct Secured {
    /// A superuser, who sees all rows.
    pub admin: DatabaseConnection,
    /// The connection of the application, with the role `app`.
    pub app: DatabaseConnection,
    database: TestDatabase,
}

impl Secured {
    /// Starts a server, with the tables of the outbox also.
    pub async fn start() -> Self {
        let (admin, database) = database_of(Engine::Postgres).await;
        Outbox.up(&SchemaManager::new(&admin)).await.unwrap();
        admin.execute_unprepared(SETUP).await.unwrap();
        let app = connect_as("app", 20, &database).await;
        Self {
            admin,
            app,
            database,
        }
    }

    /// Opens a pool with another role.
    pub async fn connect_as(&self, role: &str, connections: u32) -> DatabaseConnection {
        connect_as(role, connections, &self.database).await
    }

    pub fn build(&self, log: impl EventLog, set: impl FnOnce(LiveBuilder) -> LiveBuilder) -> Live {
        let builder = set(Live::builder(self.app.clone()).log(log));
        builder.build().unwrap()
    }

    pub async fn outbox(&self) -> OutboxLog {
        OutboxLog::open(self.app.clone()).await.unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        self.admin.execute_unprepared(sql).await.unwrap();
    }
}

async fn connect_as(role: &str, connections: u32, database: &TestDatabase) -> DatabaseConnection {
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// Prepares a read: it sees the rows of user `u1`.
pub async fn prepare(transaction: DatabaseTransaction) -> Result<DatabaseTransaction, DbErr> {
    let set = "SET LOCAL app.uid = 'u1'";
    transaction.execute_unprepared(set).await?;
    Ok(transaction)
}

/// Begins a transaction of user `u1`.
pub async fn begin(live: &Live) -> LiveTransaction {
    let transaction = live.db().begin().await.unwrap();
    let set = "SET LOCAL app.uid = 'u1'";
    transaction.execute_unprepared(set).await.unwrap();
    transaction
}

/// Adds 1 to the number in the text of row 1, in a transaction of its own.
pub async fn increment(live: &Live) {
    let transaction = begin(live).await;
    let update = task::Entity::update_many()
        .col_expr(task::Column::Text, Expr::cust("(text::int + 1)::text"))
        .filter(task::Column::Id.eq(1));
    assert_eq!(update.exec(&transaction).await.unwrap().rows_affected, 1);
    transaction.commit().await.unwrap();
}

/// What a subscriber has received: how often each action, or `reset`.
#[derive(Debug, Default)]
pub struct Received {
    pub counts: BTreeMap<String, usize>,
    pub last_text: String,
}

impl Received {
    pub fn count(&self, action: &str) -> usize {
        self.counts.get(action).copied().unwrap_or_default()
    }

    fn add(&mut self, frame: &str) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        if let Some(text) = frame["payload"]["text"].as_str() {
            self.last_text = text.to_owned();
        }
        let name = frame["action"].as_str().or(frame["error"].as_str());
        *self.counts.entry(name.unwrap().to_owned()).or_default() += 1;
    }
}

/// A session that follows row 1.
pub struct Follower {
    session: Session,
    pub received: Received,
}

impl Follower {
    /// Inserts row 1 with the text `0`, then follows it.
    pub async fn of_new_row(live: &Live) -> Self {
        let transaction = begin(live).await;
        new_task(1, "0", 1).insert(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        Self::of(live, r#"{"model":"todolist.Task","pk":1}"#).await
    }

    pub async fn of(live: &Live, request: &str) -> Self {
        let session = live.connect(());
        session.receive(request).await;
        let received = Received::default();
        Self { session, received }
    }

    /// Receives until a condition holds.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Received) -> bool) {
        soon(what, async {
            while !holds(&self.received) {
                assert!(self.receive().await, "{what}: {:?}", self.received);
            }
        })
        .await;
    }

    /// Receives until the server has sent everything and closed. Returns all that arrived.
    pub async fn finish(mut self, live: &Live) -> Received {
        let end = async { while self.receive().await {} };
        soon("the close", async { tokio::join!(live.shutdown(), end) }).await;
        self.received
    }

    /// Receives the next frames. Returns whether there are any: the server has closed otherwise.
    async fn receive(&mut self) -> bool {
        match self.session.outgoing().await {
            Outgoing::Frames(frames) => {
                frames.iter().for_each(|f| self.received.add(f.as_str()));
                true
            }
            _ => false,
        }
    }
}
