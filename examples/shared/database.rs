//! The database that `DATABASE_URL` names: SQLite, PostgreSQL, MySQL or MariaDB.

use std::env;

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, Schema,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use super::server::{NAME, Result};

/// A connected database.
pub struct Database {
    pub connection: DatabaseConnection,
    /// The folder of a temporary database, deleted on drop.
    _folder: Option<TempDir>,
}

impl Database {
    /// Connects to `DATABASE_URL`, or to a new SQLite file in a temporary folder.
    pub async fn open() -> Result<Self> {
        let (url, folder) = match env::var("DATABASE_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let folder = tempfile::tempdir()?;
                let file = folder.path().join(NAME).with_extension("sqlite");
                (
                    format!("sqlite://{}?mode=rwc", file.display()),
                    Some(folder),
                )
            }
        };
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false);
        // With a write-ahead log, SQLite's readers and its writer do not wait for each other.
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
        });
        let connection = sea_orm::Database::connect(options)
            .await
            .map_err(|error| format!("cannot open DATABASE_URL: {error}"))?;
        Ok(Self {
            connection,
            _folder: folder,
        })
    }

    /// Creates the table of an entity unless it exists.
    pub async fn create_table<E: EntityTrait>(&self, entity: E) -> std::result::Result<(), DbErr> {
        let schema = Schema::new(self.connection.get_database_backend());
        let mut table = schema.create_table_from_entity(entity);
        self.connection.execute(table.if_not_exists()).await?;
        Ok(())
    }

    /// Closes all connections, also those of clones of `connection`.
    pub async fn close(self) {
        _ = self.connection.close().await;
    }
}
