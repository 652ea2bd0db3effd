//! Servers of one application in the process of the test, on one database and one event log.

use std::sync::Arc;

use rest_live::{
    Live, LiveBuilder,
    log::{EventLog, MemoryLog},
};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::{Engine, Redis, TestDatabase, database_of, soon};

/// The event log that the servers share.
#[derive(Clone, Copy, Debug)]
pub enum LogKind {
    Memory,
    Redis,
    Outbox,
}

pub struct Servers {
    /// The database, for writes that are not captured.
    pub plain: DatabaseConnection,
    log: SharedLog,
    database: TestDatabase,
}

enum SharedLog {
    Memory(MemoryLog),
    Redis(Redis),
    Outbox,
}

impl Servers {
    pub async fn start(kind: LogKind) -> Self {
        let engine = match kind {
            LogKind::Memory => Engine::Sqlite,
            LogKind::Redis | LogKind::Outbox => Engine::Postgres,
        };
        let (plain, database) = database_of(engine).await;
        let log = match kind {
            LogKind::Memory => SharedLog::Memory(MemoryLog::default()),
            LogKind::Redis => SharedLog::Redis(Redis::start().await),
            LogKind::Outbox => {
                Outbox.up(&SchemaManager::new(&plain)).await.unwrap();
                SharedLog::Outbox
            }
        };
        Self {
            plain,
            log,
            database,
        }
    }

    /// Returns the server of Redis, if that is the log.
    pub fn redis(&self) -> Option<&Redis> {
        match &self.log {
            SharedLog::Redis(redis) => Some(redis),
            SharedLog::Memory(_) | SharedLog::Outbox => None,
        }
    }

    /// Returns the builder of one more server.
    pub async fn builder(&self) -> LiveBuilder {
        let db = self.database.connect().await;
        let log: Arc<dyn EventLog> = match &self.log {
            SharedLog::Memory(log) => Arc::new(log.clone()),
            SharedLog::Redis(redis) => {
                let url = redis.url();
                let log = soon("a connection", RedisLog::connect(&url)).await;
                Arc::new(log.unwrap())
            }
            SharedLog::Outbox => Arc::new(OutboxLog::open(db.clone()).await.unwrap()),
        };
        Live::builder(db).log(log)
    }

    /// Starts one more server.
    pub async fn live(&self) -> Live {
        self.builder().await.build().unwrap()
    }
}
