//! The event logs, and the services that they need.

use std::sync::Arc;

use rest_live::log::{EventLog, MemoryLog};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::support::{engine::TestDatabase, redis::Redis};

/// Maximum number of connections to PostgreSQL: more than there are writers.
const CONNECTIONS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Memory,
    Redis,
    Outbox,
}

impl Log {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "Redis",
            Self::Outbox => "outbox",
        }
    }
}

/// A Redis without persistence, and a PostgreSQL that writes a commit to the disk before it
/// answers.
pub struct Services {
    pub redis: Redis,
    /// Ends the server when it is dropped.
    _postgres: TestDatabase,
    pub db: DatabaseConnection,
}

impl Services {
    pub async fn start() -> Self {
        let redis = Redis::start().await;
        let postgres = TestDatabase::start_durable().await;
        let mut options = ConnectOptions::new(postgres.url());
        options.max_connections(CONNECTIONS).sqlx_logging(false);
        let db = Box::pin(Database::connect(options)).await.unwrap();
        Outbox.up(&SchemaManager::new(&db)).await.unwrap();
        Self {
            redis,
            _postgres: postgres,
            db,
        }
    }

    /// Opens a node of a log. Nodes with the same name share their log, except in memory.
    pub async fn open(&self, log: Log, name: &str) -> Arc<dyn EventLog> {
        match log {
            Log::Memory => Arc::new(MemoryLog::default()),
            Log::Redis => {
                let url = format!("{}?prefix={name}", self.redis.url());
                Arc::new(RedisLog::connect(&url).await.unwrap())
            }
            Log::Outbox => Arc::new(OutboxLog::open(self.db.clone()).await.unwrap()),
        }
    }

    /// Returns the versions of the services and their durability settings.
    pub async fn description(&self) -> String {
        let mut settings = Vec::new();
        for setting in ["server_version", "fsync", "synchronous_commit"] {
            let sql = format!("SELECT current_setting('{setting}')");
            let query = Statement::from_string(DbBackend::Postgres, sql);
            let row = self.db.query_one_raw(query).await.unwrap().unwrap();
            settings.push(format!(
                "{setting} {}",
                row.try_get_by_index::<String>(0).unwrap()
            ));
        }
        let info: String = self.redis.ask("INFO server").await;
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        format!(
            "Redis {} without persistence; PostgreSQL: {}",
            version.unwrap_or("unknown"),
            settings.join(", ")
        )
    }
}
