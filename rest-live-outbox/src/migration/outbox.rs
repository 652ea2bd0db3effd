//! The migration that creates the tables of the outbox.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait,
    sea_orm::ConnectionTrait,
};

use super::sql::require_postgres;
use crate::tables::SCHEMA_VERSION;

/// Creates `live_event`, which holds the events, and `live_meta`, which describes the log. Both are
/// in the first schema of the `search_path`.
///
/// A role that writes through the outbox needs `SELECT, INSERT, DELETE` on `live_event`, `SELECT,
/// UPDATE` on `live_meta` and `SELECT` on `live_event_seq_seq`. The owner of the tables has all of
/// these.
#[derive(Clone, Copy, Debug)]
pub struct Outbox;

impl MigrationName for Outbox {
    fn name(&self) -> &str {
        "rest_live_outbox_1"
    }
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "with `async_trait` a lifetime that is written is another one than the trait's"
)]
#[async_trait]
impl MigrationTrait for Outbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        require_postgres(manager)?;
        // `json`, not `jsonb`: it keeps the text as it is, including the escape \u0000, which a
        // column may contain and `jsonb` refuses. A write must never fail because of its event. Not
        // UNLOGGED: these tables are the log.
        let tables = format!(
            "CREATE TABLE live_meta ( \
             id integer PRIMARY KEY CHECK (id = 1), \
             version integer NOT NULL, \
             epoch uuid NOT NULL DEFAULT gen_random_uuid(), \
             first_retained bigint NOT NULL DEFAULT 1, \
             settled bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50); \
             INSERT INTO live_meta (id, version) VALUES (1, {SCHEMA_VERSION}); \
             CREATE TABLE live_event ( \
             seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, \
             at timestamptz NOT NULL DEFAULT clock_timestamp(), \
             model text NOT NULL, \
             op \"char\" NOT NULL CHECK (op IN ('I', 'U', 'D', 'T')), \
             key json, \
             old json, \
             new json, \
             node text, \
             began text, \
             scope text) WITH (autovacuum_vacuum_scale_factor = 0.02);"
        );
        let connection = manager.get_connection();
        connection.execute_unprepared(&tables).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let tables = "DROP TABLE live_event; DROP TABLE live_meta;";
        connection.execute_unprepared(tables).await?;
        Ok(())
    }
}
