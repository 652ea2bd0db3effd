//! Three servers of one application, on one database and one event log.

use rest_live::{Limits, Live, log::MemoryLog};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use rest_live_redis::RedisLog;
use sea_orm_migration::{MigrationTrait, SchemaManager};

use crate::{
    entities::{Table, User, document, notice, task},
    support::redis::Redis,
    tables::Tables,
};

/// Number of servers.
pub const SERVERS: usize = 3;

/// Maximum number of broadcasts that may wait for a client. If there are more, it is behind.
const MAX_PENDING_MESSAGES: usize = 16;

/// Number of broadcasts that surely may wait for a client.
pub const MAX_UNREAD_MESSAGES: usize = 12;

pub struct Servers {
    log: SharedLog,
    pub tables: Tables,
    /// Whether triggers write the events. Then an update that changes nothing has no event.
    pub has_triggers: bool,
}

/// The servers on a log that other processes can share are started once, because that takes longer
/// than a case.
enum SharedLog {
    Memory,
    Redis {
        lives: Vec<Live<User>>,
        /// Declared last, so that it is dropped after the servers.
        _redis: Redis,
    },
    Outbox(Vec<Live<User>>),
}

impl Servers {
    /// The servers are in one process, and share a log in its memory.
    pub async fn on_memory() -> Self {
        Self {
            log: SharedLog::Memory,
            tables: Tables::open().await,
            has_triggers: false,
        }
    }

    pub async fn on_redis() -> Self {
        let tables = Tables::open().await;
        let redis = Redis::start().await;
        let mut lives = Vec::new();
        for _ in 0..SERVERS {
            let log = RedisLog::connect(&redis.url()).await.unwrap();
            lives.push(tables.live(limits(), log));
        }
        let log = SharedLog::Redis {
            lives,
            _redis: redis,
        };
        Self {
            log,
            tables,
            has_triggers: false,
        }
    }

    pub async fn on_outbox() -> Self {
        Self::on_outbox_with(&[]).await
    }

    /// Triggers write the events.
    pub async fn on_captured_outbox() -> Self {
        let captures = [
            Capture::of::<notice::Entity>(Table::Notice.label()),
            Capture::of::<document::Entity>(Table::Document.label()),
            Capture::of::<task::Entity>(Table::Task.label()),
        ];
        Self::on_outbox_with(&captures).await
    }

    async fn on_outbox_with(captures: &[Capture]) -> Self {
        let tables = Tables::start_postgres().await;
        let connection = &tables.connection;
        let manager = SchemaManager::new(connection);
        Outbox.up(&manager).await.unwrap();
        for capture in captures {
            capture.up(&manager).await.unwrap();
        }
        let mut lives = Vec::new();
        for _ in 0..SERVERS {
            let log = OutboxLog::open(connection.clone()).await.unwrap();
            lives.push(tables.live(limits(), log));
        }
        Self {
            log: SharedLog::Outbox(lives),
            tables,
            has_triggers: !captures.is_empty(),
        }
    }

    /// Empties the tables, and returns the servers.
    pub async fn begin_case(&self) -> Vec<Live<User>> {
        self.tables.clear().await;
        match &self.log {
            SharedLog::Memory => {
                let log = MemoryLog::default();
                let live = |_| self.tables.live(limits(), log.clone());
                (0..SERVERS).map(live).collect()
            }
            SharedLog::Redis { lives, .. } | SharedLog::Outbox(lives) => lives.clone(),
        }
    }
}

fn limits() -> Limits {
    Limits::default()
        .max_pending_messages(MAX_PENDING_MESSAGES)
        .message_rate(1_000_000, 1_000_000)
        .resume_rate(1_000_000, 1_000_000)
        .auth_rate(1_000_000, 1_000_000)
}
