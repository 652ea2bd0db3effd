//! SQL that both migrations write, and the database that they are for.

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::DbBackend};

/// Refuses what is not PostgreSQL.
pub(super) fn require_postgres(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Postgres => Ok(()),
        _ => Err(DbErr::Migration(
            "the outbox of rest-live is for PostgreSQL".to_owned(),
        )),
    }
}

/// Writes a name as SQL does.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text as SQL does.
pub(super) fn quote_literal(text: &str) -> String {
    // Whatever `standard_conforming_strings` says.
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
