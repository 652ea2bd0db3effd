//! The migration that brings the tables of an earlier version up to date.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait,
    sea_orm::ConnectionTrait,
};

use super::sql::require_postgres;
use crate::tables::SCHEMA_VERSION;

/// Adds the column `unit` to a `live_event` that [`Outbox`](super::Outbox) of an earlier version
/// created: the transaction that wrote the event. A new installation does not need it.
///
/// Stop all servers of the earlier version first. Events that are in the table already are
/// delivered one by one.
#[derive(Clone, Copy, Debug)]
pub struct OutboxUnits;

impl MigrationName for OutboxUnits {
    fn name(&self) -> &str {
        "rest_live_outbox_2"
    }
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "with `async_trait` a lifetime that is written is another one than the trait's"
)]
#[async_trait]
impl MigrationTrait for OutboxUnits {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        require_postgres(manager)?;
        // The default is set after the column is added: otherwise the present rows would be a unit.
        let statements = format!(
            "ALTER TABLE live_event ADD COLUMN IF NOT EXISTS unit xid8; \
             ALTER TABLE live_event ALTER COLUMN unit SET DEFAULT pg_current_xact_id(); \
             UPDATE live_meta SET version = {SCHEMA_VERSION} WHERE id = 1;"
        );
        let connection = manager.get_connection();
        connection.execute_unprepared(&statements).await?;
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        // The migration `Outbox` drops the tables.
        Ok(())
    }
}
