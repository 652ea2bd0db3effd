//! The databases that the tests run on: a fresh one for each test, on a server of its own where the engine
//! is a server. Nothing on the machine is used but the programs, so that a test may kill what it started.

mod mariadb;
mod postgres;
mod pristine;
mod product;
mod server;

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, sqlx::sqlite::SqliteJournalMode::Wal};
use tempfile::TempDir;

use self::server::Server;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Engine {
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];
}

/// A fresh, empty database. Dropped, its server is gone, and its files are.
pub struct TestDatabase {
    engine: Engine,
    place: Place,
}

enum Place {
    File(TempDir),
    Server(Server),
}

impl TestDatabase {
    /// Starts a database, and waits until it answers.
    ///
    /// # Panics
    /// With the server's own log where it does not start, and with what to install where it is missing.
    pub async fn start(engine: Engine) -> Self {
        let postgres = &postgres::Postgres { is_durable: false };
        let place = match engine {
            Engine::Sqlite => Place::File(tempfile::tempdir().unwrap()),
            Engine::Postgres => Place::Server(Server::start(postgres).await),
            Engine::MariaDb => Place::Server(Server::start(&mariadb::MariaDb).await),
        };
        let database = Self { engine, place };
        if engine == Engine::Sqlite {
            // The first connection leaves a file in WAL mode, whoever opens it next.
            database.connect().await.close().await.unwrap();
        }
        database
    }

    /// Starts a PostgreSQL that has what it commits on the disk before it answers.
    #[allow(dead_code, reason = "benches measure it; for a test it is only slow")]
    pub async fn start_durable() -> Self {
        let server = Server::start(&postgres::Postgres { is_durable: true }).await;
        Self {
            engine: Engine::Postgres,
            place: Place::Server(server),
        }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns what a `DATABASE_URL` says.
    pub fn url(&self) -> String {
        match &self.place {
            Place::File(folder) => {
                let file = folder.path().join("test.sqlite");
                format!("sqlite://{}?mode=rwc", file.display())
            }
            Place::Server(server) => server.url(),
        }
    }

    /// Opens a pool of connections.
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url());
        options.max_connections(20).sqlx_logging(false);
        // Many writers on a busy machine are no mistake: they wait longer than sqlx's 5 s.
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(Wal)
                .busy_timeout(Duration::from_secs(30))
        });
        // Three drivers deep: with the futures of the tests around it, more than rustc nests.
        Box::pin(Database::connect(options)).await.unwrap()
    }

    /// Ends the server as a crash does, and returns when all of it is gone. Does nothing to SQLite, which
    /// has no server.
    pub async fn kill(&self) {
        if let Place::Server(server) = &self.place {
            server.kill();
        }
    }

    /// Starts the server again, with its port and its data; kills it first where it runs.
    pub async fn restart(&self) {
        if let Place::Server(server) = &self.place {
            server.restart().await;
        }
    }
}
