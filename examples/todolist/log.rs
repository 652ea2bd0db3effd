//! The event log, which `LIVE_LOG` names: in this process for one server, or one that several share.

use std::{error::Error, sync::Arc};

use rest_live::log::{EventLog, MemoryLog};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::{DatabaseConnection, DbBackend};
use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait::async_trait};

/// Opens the log of a name: `memory`, which it is where none is given, a URL of Redis, or `outbox`.
pub async fn open(
    name: Option<&str>,
    db: &DatabaseConnection,
) -> Result<Arc<dyn EventLog>, Box<dyn Error>> {
    Ok(match name {
        None | Some("memory") => Arc::new(MemoryLog::default()),
        Some("outbox") => Arc::new(outbox(db).await?),
        Some(url) if url.starts_with("redis://") || url.starts_with("rediss://") => {
            Arc::new(RedisLog::connect(url).await?)
        }
        // A URL with a mistake may have a password in it, so that it is not shown.
        Some(_) => {
            return Err("LIVE_LOG is no log: write `memory`, a URL such as \
                        redis://127.0.0.1/?prefix=todo or rediss://.., or `outbox`"
                .into());
        }
    })
}

async fn outbox(db: &DatabaseConnection) -> Result<OutboxLog, Box<dyn Error>> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Err("LIVE_LOG=outbox needs PostgreSQL: write \
                    DATABASE_URL=postgres://user:password@host/todo, too"
            .into());
    }
    Migrator::up(db, None)
        .await
        .map_err(|error| format!("cannot make the tables of the outbox: {error}"))?;
    Ok(OutboxLog::open(db.clone()).await?)
}

/// An application with migrations of its own has the outbox among them.
struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Outbox)]
    }
}
