//! What all connections and transactions of a `Live` have in common.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::sync::OnceCell;

use super::sql::{
    Verb,
    cache::{OfText, Reading, Readings},
};
use crate::{log::MemoryLog, publish::publisher::Publisher};

#[derive(Debug)]
pub(crate) struct Database {
    pub(super) publisher: Arc<Publisher>,
    pub(super) backend: DbBackend,
    /// Whether a write can return the rows that it wrote.
    pub(super) returns: bool,
    /// Whether only a DELETE can, as MariaDB's; MySQL's cannot. Found out before the first that matters.
    returns_deleted: OnceCell<bool>,
    /// More rows of one statement are one reset.
    pub(super) max_rows_per_statement: usize,
    readings: Readings,
}

impl Database {
    pub(crate) fn new(
        publisher: Arc<Publisher>,
        db: &DatabaseConnection,
        max_rows_per_statement: usize,
    ) -> Self {
        let backend = db.get_database_backend();
        Self {
            publisher,
            backend,
            // SeaORM's feature `mariadb-use-returning` says yes for MySQL too, and writes no clause.
            returns: backend != DbBackend::MySql && db.support_returning(),
            returns_deleted: OnceCell::new(),
            max_rows_per_statement,
            readings: Readings::default(),
        }
    }

    /// Finds out what can be known of a statement.
    pub(super) async fn prepare(&self, inner: &impl ConnectionTrait, sql: &str) {
        if self.backend == DbBackend::MySql && sql.starts_with("DELETE") {
            let is_mariadb = async || {
                let version = Statement::from_string(self.backend, "SELECT VERSION() AS version");
                let row = inner.query_one_raw(version).await.ok().flatten();
                let version = row.and_then(|row| row.try_get::<String>("", "version").ok());
                Ok::<_, ()>(version.ok_or(())?.contains("MariaDB"))
            };
            // Where it cannot be asked, the statement cannot be run either.
            _ = self.returns_deleted.get_or_try_init(is_mariadb).await;
        }
    }

    /// Returns how many events a transaction keeps: as many as the log does, by itself; a longer transaction would
    /// reset every subscriber.
    pub(super) fn most_events(&self) -> usize {
        self.max_rows_per_statement.max(MemoryLog::DEFAULT_CAPACITY)
    }

    /// Returns what a text says that SeaQuery built.
    pub(super) fn reading_of_built(&self, sql: &str) -> Reading {
        let registry = &self.publisher.registry;
        self.readings.of_built(sql, registry, self.backend)
    }

    /// Returns what a text says that anybody may have written.
    pub(super) fn reading_of_text(&self, sql: &str) -> Arc<OfText> {
        let registry = &self.publisher.registry;
        self.readings.of_text(sql, registry, self.backend)
    }

    /// Returns whether a statement with this verb can return the rows that it wrote.
    pub(super) fn returns(&self, verb: Verb) -> bool {
        self.returns || verb == Verb::Delete && self.returns_deleted.get() == Some(&true)
    }
}
