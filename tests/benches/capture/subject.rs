//! The subject of the measurement: one database, with and without rest-live.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rest_live::{Live, transport::Outgoing};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, Schema,
    Statement,
};

use super::writes::{self, Line, live, plain};

#[derive(Clone, Copy, Debug)]
pub enum Variant {
    /// SeaORM alone.
    Plain,
    /// A `Live` without a subscriber.
    Live,
    /// A `Live` with one subscriber.
    Subscribed,
}

impl Variant {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Live, Self::Subscribed];
}

pub struct Subject {
    db: DatabaseConnection,
    live: Live,
    subscribed: Live,
    /// The same connection, with a counter of its statements.
    counted: DatabaseConnection,
    counted_live: Live,
    statements: Arc<AtomicUsize>,
}

impl Subject {
    /// Opens a database with this number of connections.
    pub async fn open(url: &str, connections: u32) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(connections).sqlx_logging(false);
        let db = Box::pin(Database::connect(options)).await.unwrap();
        let schema = Schema::new(db.get_database_backend());
        let mut table = schema.create_table_from_entity(plain::Entity);
        db.execute(table.if_not_exists()).await.unwrap();

        let mut counted = db.clone();
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        counted.set_metric_callback(move |_| _ = counter.fetch_add(1, Ordering::Relaxed));
        let build = |db: &DatabaseConnection| Live::builder(db.clone()).build().unwrap();
        let subscribed = build(&db);
        subscribe(&subscribed).await;
        Self {
            live: build(&db),
            counted_live: build(&counted),
            db,
            subscribed,
            counted,
            statements,
        }
    }

    /// Returns the version of the database and its durability settings.
    pub async fn description(&self) -> String {
        let backend = self.db.get_database_backend();
        let queries = match backend {
            DbBackend::Sqlite => [
                ("", "SELECT 'SQLite ' || sqlite_version()"),
                ("journal_mode ", "PRAGMA journal_mode"),
                (
                    "synchronous ",
                    "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous",
                ),
            ],
            _ => [
                ("PostgreSQL ", "SELECT current_setting('server_version')"),
                ("fsync ", "SELECT current_setting('fsync')"),
                (
                    "synchronous_commit ",
                    "SELECT current_setting('synchronous_commit')",
                ),
            ],
        };
        let mut values = Vec::new();
        for (what, query) in queries {
            let query = Statement::from_string(backend, query);
            let row = self.db.query_one_raw(query).await.unwrap().unwrap();
            values.push(format!(
                "{what}{}",
                row.try_get_by_index::<String>(0).unwrap()
            ));
        }
        values.join(", ")
    }

    /// Empties the table, and inserts the rows that this number of writes need.
    pub async fn reset(&self, line: &Line, writes: i32) {
        let empty = match self.db.get_database_backend() {
            DbBackend::Postgres => "TRUNCATE task", // a DELETE would leave dead rows for a vacuum
            _ => "DELETE FROM task",
        };
        self.db.execute_unprepared(empty).await.unwrap();
        if line.needs_rows {
            let rows = (0..writes).flat_map(|n| writes::rows_of(n, line.rows));
            let insert = plain::Entity::insert_many(rows.map(plain::with_id));
            insert.exec(&self.db).await.unwrap();
        }
    }

    pub async fn write(&self, variant: Variant, line: &Line, n: i32) {
        let result = match variant {
            Variant::Plain => plain::write(line.plain, &self.db, n).await,
            Variant::Live => live::write(line.live, &self.live.db(), n).await,
            Variant::Subscribed => live::write(line.live, &self.subscribed.db(), n).await,
        };
        result.unwrap();
    }

    /// Writes once, and returns the number of statements.
    pub async fn statements(&self, variant: Variant, line: &Line) -> usize {
        self.statements.store(0, Ordering::Relaxed);
        let result = match variant {
            Variant::Plain => plain::write(line.plain, &self.counted, 0).await,
            _ => live::write(line.live, &self.counted_live.db(), 0).await,
        };
        result.unwrap();
        self.statements.load(Ordering::Relaxed)
    }
}

/// Subscribes a session to all lists, and reads its frames as a socket would.
async fn subscribe(live: &Live) {
    let session = live.connect(());
    for list in [writes::LIST, writes::OTHER_LIST] {
        let request = format!(r#"{{"model":"bench.Task","list_id":{list}}}"#);
        session.receive(&request).await;
    }
    tokio::spawn(async move { while let Outgoing::Frames(_) = session.outgoing().await {} });
}
