//! The databases that the tests run on. Each test has a fresh one, on a server of its own if the
//! engine is a server. Only the installed programs are shared, so that a test may kill what it
//! started.

mod mariadb;
mod postgres;
mod pristine;
mod product;
mod server;

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, sqlx::sqlite::SqliteJournalMode::Wal};
use tempfile::TempDir;

use self::server::Server;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Engine {
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];
}

/// A fresh, empty database. Dropping it ends its server and removes its files.
pub struct TestDatabase {
    engine: Engine,
    storage: Storage,
}

enum Storage {
    File(TempDir),
    Server(Server),
}

impl TestDatabase {
    /// Starts a database, and waits until it accepts connections.
    ///
    /// # Panics
    /// If the server does not start; the message contains its log. If a program is missing; the
    /// message names the package to install.
    pub async fn start(engine: Engine) -> Self {
        let postgres = &postgres::Postgres { is_durable: false };
        let storage = match engine {
            Engine::Sqlite => Storage::File(tempfile::tempdir().unwrap()),
            Engine::Postgres => Storage::Server(Server::start(postgres).await),
            Engine::MariaDb => Storage::Server(Server::start(&mariadb::MariaDb).await),
        };
        let database = Self { engine, storage };
        if engine == Engine::Sqlite {
            // The first connection switches the file to WAL mode, which stays for later
            // connections.
            database.connect().await.close().await.unwrap();
        }
        database
    }

    /// Starts a PostgreSQL that flushes each commit to the disk before it replies.
    #[allow(dead_code, reason = "only the benches use it; tests need not flush")]
    pub async fn start_durable() -> Self {
        let server = Server::start(&postgres::Postgres { is_durable: true }).await;
        Self {
            engine: Engine::Postgres,
            storage: Storage::Server(server),
        }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the URL, as in `DATABASE_URL`.
    pub fn url(&self) -> String {
        match &self.storage {
            Storage::File(folder) => {
                let file = folder.path().join("test.sqlite");
                format!("sqlite://{}?mode=rwc", file.display())
            }
            Storage::Server(server) => server.url(),
        }
    }

    /// Opens a pool of connections.
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url());
        options.max_connections(20).sqlx_logging(false);
        // On a busy machine, many writers may wait longer than sqlx's default of 5 s.
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(Wal)
                .busy_timeout(Duration::from_secs(30))
        });
        // Boxed: within the futures of the tests, three drivers exceed rustc's recursion limit.
        Box::pin(Database::connect(options)).await.unwrap()
    }

    /// Kills the server, as a crash does, and returns when all of its processes have ended. Does
    /// nothing for SQLite, which has no server.
    pub async fn kill(&self) {
        if let Storage::Server(server) = &self.storage {
            server.kill();
        }
    }

    /// Restarts the server with the same port and data. Kills it first if it is running.
    pub async fn restart(&self) {
        if let Storage::Server(server) = &self.storage {
            server.restart().await;
        }
    }
}
