//! The event log that `LIVE_LOG` names: one of this process, or one that several servers share.

use std::{env, sync::Arc};

use rest_live::log::{EventLog, MemoryLog};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::{DatabaseConnection, DbBackend};
use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait::async_trait};

use super::server::Result;

/// Opens the log: `memory` (the default), the URL of a Redis, or `outbox`.
pub async fn open(db: &DatabaseConnection) -> Result<Arc<dyn EventLog>> {
    match env::var("LIVE_LOG").as_deref() {
        Err(_) | Ok("memory") => Ok(Arc::new(MemoryLog::default())),
        Ok("outbox") => Ok(Arc::new(open_outbox(db).await?)),
        Ok(url) if url.starts_with("redis://") || url.starts_with("rediss://") => {
            Ok(Arc::new(RedisLog::connect(url).await?))
        }
        // The value is not printed: a mistyped URL may contain a password.
        Ok(_) => Err(
            "LIVE_LOG is not the name or the URL of an event log: write `memory`, `outbox`, or a URL such as \
                      redis://127.0.0.1/?prefix=todo or rediss://.."
                .into(),
        ),
    }
}

/// Creates the outbox's tables in the application's database, and opens it.
async fn open_outbox(db: &DatabaseConnection) -> Result<OutboxLog> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Err("LIVE_LOG=outbox needs PostgreSQL: also set \
                    DATABASE_URL=postgres://user:password@host/todo"
            .into());
    }
    Migrator::up(db, None).await.map_err(|error| {
        format!("cannot create the tables of the outbox in DATABASE_URL: {error}")
    })?;
    Ok(OutboxLog::open(db.clone()).await?)
}

/// An application with migrations of its own adds `Outbox` to them.
struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Outbox)]
    }
}
