//! What all connections and transactions of a `Live` share.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::sync::OnceCell;

use super::{
    sink::buffer::OpenTransactions,
    sql::{
        Verb,
        cache::{Analysis, AnalysisCache, RawAnalysis},
    },
};
use crate::{log::MemoryLog, publish::publisher::Publisher};

/// The database of a `Live`: where its events are published, and what its server can do.
#[derive(Debug)]
pub(crate) struct Database {
    pub(super) publisher: Arc<Publisher>,
    pub(super) backend: DbBackend,
    /// Whether every write can return the rows that it wrote.
    pub(super) returns_rows: bool,
    /// Whether a DELETE can return rows although other writes cannot: MariaDB yes, MySQL no. It is
    /// detected before the first DELETE.
    delete_returns_rows: OnceCell<bool>,
    /// Maximum number of rows of one statement that are sent one by one. More become one reset.
    pub(super) max_rows_per_statement: usize,
    /// Maximum size of the rows of one statement that are sent one by one.
    pub(super) max_statement_bytes: usize,
    pub(super) open_transactions: Arc<OpenTransactions>,
    analyses: AnalysisCache,
}

impl Database {
    pub(crate) fn new(
        publisher: Arc<Publisher>,
        db: &DatabaseConnection,
        max_rows_per_statement: usize,
        max_transaction_bytes: usize,
    ) -> Self {
        let backend = db.get_database_backend();
        let is_stand_in = publisher.is_stand_in;
        Self {
            publisher,
            backend,
            // With its feature `mariadb-use-returning`, SeaORM also claims support for MySQL, but
            // writes no RETURNING clause.
            returns_rows: !is_stand_in && backend != DbBackend::MySql && db.support_returning(),
            delete_returns_rows: OnceCell::new(),
            max_rows_per_statement,
            max_statement_bytes: max_transaction_bytes,
            open_transactions: OpenTransactions::new(max_transaction_bytes),
            analyses: AnalysisCache::default(),
        }
    }

    /// Detects what the server can return, if this statement depends on it.
    pub(super) async fn detect_returning(&self, inner: &impl ConnectionTrait, sql: &str) {
        if self.backend == DbBackend::MySql && !self.is_stand_in() && sql.starts_with("DELETE") {
            let is_mariadb = async || {
                let version = Statement::from_string(self.backend, "SELECT VERSION() AS version");
                let row = inner.query_one_raw(version).await.ok().flatten();
                let version = row.and_then(|row| row.try_get::<String>("", "version").ok());
                Ok::<_, ()>(version.ok_or(())?.contains("MariaDB"))
            };
            // If this query fails, the statement will also fail and report the error.
            _ = self.delete_returns_rows.get_or_try_init(is_mariadb).await;
        }
    }

    /// Returns whether the database is a mock or a proxy of a test. It must receive the statements
    /// of the application unchanged, and no others.
    pub(super) fn is_stand_in(&self) -> bool {
        self.publisher.is_stand_in
    }

    /// Returns the maximum number of events that a transaction buffers: the default capacity of the
    /// in-memory log, or `max_rows_per_statement` if that is greater. A longer transaction would
    /// overrun the log, which resets every subscriber.
    pub(super) fn max_transaction_events(&self) -> usize {
        self.max_rows_per_statement.max(MemoryLog::DEFAULT_CAPACITY)
    }

    /// Returns the analysis of a text that SeaQuery built.
    pub(super) fn analyze_built(&self, sql: &str) -> Analysis {
        let registry = &self.publisher.registry;
        self.analyses.analyze_built(sql, registry, self.backend)
    }

    /// Returns the analysis of raw SQL.
    pub(super) fn analyze_raw(&self, sql: &str) -> Arc<RawAnalysis> {
        let registry = &self.publisher.registry;
        self.analyses.analyze_raw(sql, registry, self.backend)
    }

    /// Returns whether a statement with this verb can return the rows that it wrote.
    pub(super) fn returns_rows_of(&self, verb: Verb) -> bool {
        self.returns_rows || verb == Verb::Delete && self.delete_returns_rows.get() == Some(&true)
    }
}
