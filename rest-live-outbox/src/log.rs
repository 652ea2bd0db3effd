//! [`OutboxLog`]: the log traits of the runtime, implemented on the tables of the outbox.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use rest_live_runtime::{
    Cursor, Entry, EventLog, LogError, Present, ReadError, Record, StoredEvent, Tail,
    TransactionalLog,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DatabaseTransaction, DbBackend,
    DbErr, Statement, sqlx,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    error::OutboxError,
    insert,
    node::{Node, QUERY_TIMEOUT, with_timeout},
    options::Options,
    tables::Tables,
    tail,
    tasks::Tasks,
};

/// How long [`EventLog::append`] retries. It receives only events that could not join a
/// transaction.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The advisory lock for appending events outside the application's transactions. Several events
/// need it exclusively; a single event shares it. A transaction that changes rows never takes it,
/// because all transactions would then wait for each other's commits.
const APPEND_LOCK: i64 = 0x7265_7374_6c69_7666;

/// The event log in the application's PostgreSQL.
///
/// Clones share one node of the log. When the last clone is dropped, the node's tasks stop.
#[derive(Clone, Debug)]
pub struct OutboxLog {
    node: Arc<Node>,
    tasks: Arc<Tasks>,
}

impl OutboxLog {
    /// Maximum number of connections that a node opens, in addition to those of the application and
    /// to the one that listens.
    pub const MAX_CONNECTIONS: u32 = 4;

    /// Opens the outbox of a database with [`Options::default`].
    ///
    /// The log opens its own connections, with the settings of `db`. Otherwise no event could be
    /// delivered while the application uses all connections of its pool. The log looks for triggers
    /// only here, so run the migrations first.
    ///
    /// Call it in a tokio runtime. The node runs its tasks on this runtime.
    ///
    /// # Errors
    /// Returns [`OutboxError`] if the tables are missing or the database does not meet the
    /// requirements.
    pub async fn open(db: DatabaseConnection) -> Result<Self, OutboxError> {
        Options::default().open(db).await
    }

    /// Returns the default options. Change them, then call [`Options::open`].
    pub fn options() -> Options {
        Options::default()
    }

    /// Writes stored events into an open transaction, as [`append_in`](TransactionalLog::append_in)
    /// does with records.
    ///
    /// # Errors
    /// Returns the error of the database.
    #[doc(hidden)]
    pub async fn append_stored_in(
        &self,
        transaction: &impl ConnectionTrait,
        events: &[StoredEvent],
    ) -> Result<(), DbErr> {
        for insert in insert::inserts(events) {
            let sql = self
                .node
                .tables
                .statements
                .append(insert.is_single)
                .as_str();
            let values = insert.parameters.map(sea_orm::Value::from);
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            transaction.execute_raw(statement).await?;
        }
        Ok(())
    }

    async fn append_in_own_transaction(&self, events: &[StoredEvent]) -> Result<(), sqlx::Error> {
        let mut transaction = self.node.pool.begin().await?;
        // Numbers are drawn one at a time. The lock keeps other appends from drawing theirs in
        // between. Single events need no such order, so they share it.
        let lock_sql = match events.len() {
            1 => "SELECT pg_advisory_xact_lock_shared($1)",
            _ => "SELECT pg_advisory_xact_lock($1)",
        };
        sqlx::query(lock_sql)
            .bind(APPEND_LOCK)
            .execute(&mut *transaction)
            .await?;
        for insert in insert::inserts(events) {
            let sql = self
                .node
                .tables
                .statements
                .append(insert.is_single)
                .to_sql();
            let mut query = sqlx::query(sql);
            for parameter in insert.parameters {
                query = query.bind(parameter);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

// This is not in `options.rs`, so that imports go one way: the log imports its options.
impl Options {
    /// Opens the outbox of a database with these options.
    ///
    /// # Errors
    /// Returns [`OutboxError`] if the tables are missing or the database does not meet the
    /// requirements.
    pub async fn open(self, db: DatabaseConnection) -> Result<OutboxLog, OutboxError> {
        let DatabaseConnectionType::SqlxPostgresPoolConnection(_) = db.inner else {
            return Err(OutboxError::Backend);
        };
        let application_pool = db.get_postgres_connection_pool();
        let pool_options = application_pool.options().clone();
        let pool = pool_options
            .min_connections(0)
            .max_connections(OutboxLog::MAX_CONNECTIONS)
            .acquire_timeout(QUERY_TIMEOUT)
            // A dead connection causes an error like any other, and the query is retried.
            .test_before_acquire(false)
            .connect_lazy_with((*application_pool.connect_options()).clone());
        let listen_pool = self.listen_pool(&pool)?;
        let mut connection = pool.acquire().await?;
        let tables = Tables::find(&mut connection).await?;
        drop(connection);
        let name = RandomState::new().hash_one(SystemTime::now());
        let node = Arc::new(Node::new(pool, tables, self, format!("{name:016x}")));
        let tasks = Arc::new(Tasks::spawn(&node, listen_pool));
        Ok(OutboxLog { node, tasks })
    }
}

impl EventLog for OutboxLog {
    /// Appends the events next to each other: no event of another call of this method is between
    /// them. Events of the application's transactions may be between them, because these
    /// transactions never wait.
    ///
    /// If an attempt fails, the call retries for five seconds. If the connection is lost during the
    /// commit, the events may be stored twice, and clients receive them twice. Without the retry,
    /// the events could be lost.
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            if events.is_empty() {
                return Ok(());
            }
            let events = insert::stored(&events);
            let deadline = Instant::now() + APPEND_TIMEOUT;
            let mut pause = Duration::from_millis(20);
            while let Err(error) = with_timeout(self.append_in_own_transaction(&events)).await {
                if Instant::now() + pause > deadline {
                    return Err(LogError::new(error));
                }
                sleep(pause).await;
                pause *= 2;
            }
            self.committed();
            Ok(())
        }
        .boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        tail::tail(&self.node, None)
    }

    /// While no client is subscribed, the tail reads only after a notification, and every three
    /// minutes.
    fn tail_while(&self, has_subscribers: watch::Receiver<bool>) -> BoxStream<'static, Tail> {
        tail::tail(&self.node, Some(has_subscribers))
    }

    /// Returns the position up to which all transactions have ended. This may be before the last
    /// event: an open transaction may have drawn a smaller number, and a subscriber that starts
    /// past that number would miss its event. The call waits up to 100 ms for open transactions.
    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        async {
            let horizon = self.node.head().await.map_err(LogError::new)?;
            Ok(Cursor {
                position: horizon.start_position(),
                epoch: horizon.state.epoch,
            })
        }
        .boxed()
    }

    /// Returns the moment of the call, without a query. A statement that begins later sees every
    /// event that was committed before. The [head](Self::head) may be before such an event while an
    /// earlier transaction is open.
    fn present(&self) -> BoxFuture<'_, Result<Present, LogError>> {
        let now = self.node.await_present().into_std();
        ready(Ok(Present::Moment(now))).boxed()
    }

    /// Returns the last number that a transaction of any node has drawn.
    fn appended(&self) -> BoxFuture<'_, Option<Cursor>> {
        async {
            let state = self.node.state().await.ok()?;
            Some(Cursor {
                position: state.last_drawn,
                epoch: state.epoch,
            })
        }
        .boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        async move {
            let read = self.node.read(&after, limit).await;
            read.map_err(LogError::new)?
        }
        .boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.tasks.stop().boxed()
    }

    fn transactional(&self) -> Option<&dyn TransactionalLog> {
        Some(self)
    }
}

impl TransactionalLog for OutboxLog {
    fn append_in<'t>(
        &'t self,
        transaction: &'t DatabaseTransaction,
        events: Vec<Record>,
    ) -> BoxFuture<'t, Result<(), DbErr>> {
        async move {
            let events = insert::stored(&events);
            self.append_stored_in(transaction, &events).await
        }
        .boxed()
    }

    fn committed(&self) {
        self.node.wake();
        self.node.commits.notify_one();
    }

    fn captures(&self, schema: Option<&str>, table: &str) -> bool {
        self.node.tables.captures(schema, table)
    }
}
