//! SQL quoting, and the check for PostgreSQL, which both migrations need.

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::DbBackend};

/// Returns an error if the database is not PostgreSQL.
pub(super) fn require_postgres(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Postgres => Ok(()),
        _ => Err(DbErr::Migration(
            "the outbox of rest-live requires PostgreSQL: run its migrations on PostgreSQL"
                .to_owned(),
        )),
    }
}

/// Returns a name as a quoted SQL identifier.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text as an SQL string literal.
pub(super) fn quote_literal(text: &str) -> String {
    // `E'..'` is independent of `standard_conforming_strings`.
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
