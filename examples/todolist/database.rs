//! The database: where it is, and its schema. SQLite, PostgreSQL, MySQL or MariaDB, as its URL says.

use std::error::Error;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Schema,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use crate::{list, task};

/// The open database, and its folder if it is a temporary one: gone when this is dropped.
pub struct Opened {
    connection: DatabaseConnection,
    _folder: Option<TempDir>,
}

/// Opens the database at `url`, or an SQLite file in a temporary folder, and makes the schema.
pub async fn open(url: Option<String>) -> Result<Opened, Box<dyn Error>> {
    let (url, folder) = match url {
        Some(url) => (url, None),
        None => {
            let folder = tempfile::tempdir()?;
            (
                format!(
                    "sqlite://{}?mode=rwc",
                    folder.path().join("todolist.sqlite").display()
                ),
                Some(folder),
            )
        }
    };
    let connection = connect(&url)
        .await
        .map_err(|error| format!("cannot open DATABASE_URL: {error}"))?;
    Ok(Opened {
        connection,
        _folder: folder,
    })
}

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    // For SQLite alone: readers do not wait for the writer, nor the writer for readers.
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
    });
    let connection = Database::connect(options).await?;
    let schema = Schema::new(connection.get_database_backend());
    connection
        .execute(
            schema
                .create_table_from_entity(list::Entity)
                .if_not_exists(),
        )
        .await?;
    connection
        .execute(
            schema
                .create_table_from_entity(task::Entity)
                .if_not_exists(),
        )
        .await?;
    Ok(connection)
}

impl Opened {
    pub fn connection(&self) -> DatabaseConnection {
        self.connection.clone()
    }

    pub async fn close(self) {
        // The pool is shared by its clones, and so is its end.
        _ = self.connection.close().await;
    }
}
