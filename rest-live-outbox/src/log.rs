//! [`OutboxLog`]: the two traits of the runtime, on the tables.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use rest_live_runtime::{
    Cursor, Entry, EventLog, LogError, ReadError, Record, StoredEvent, Tail, TransactionalLog,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DatabaseTransaction, DbBackend,
    DbErr, Statement, sqlx,
};
use tokio::time::{Instant, sleep};

use crate::{
    error::OutboxError,
    insert,
    node::{Node, QUERY_TIMEOUT, with_timeout},
    options::Options,
    tables::Tables,
    tail,
    tasks::Tasks,
};

/// How long [`EventLog::append`] tries. It is for events that could be in no transaction.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The advisory lock of who appends events outside of the application's transactions: of several events it is held alone,
/// of one it is shared. A transaction that changes rows never holds it: all would wait for each other's commits.
const APPEND_LOCK: i64 = 0x7265_7374_6c69_7666;

/// The event log in the application's PostgreSQL.
///
/// A clone is the same node of the same log. When the last is dropped, its tasks end.
#[derive(Clone, Debug)]
pub struct OutboxLog {
    node: Arc<Node>,
    tasks: Arc<Tasks>,
}

impl OutboxLog {
    /// Connections that a node has of its own, beside the application's and the one that listens.
    pub const MAX_CONNECTIONS: u32 = 4;

    /// Opens the outbox of a database, as [`Options::default`] says.
    ///
    /// It opens connections of its own, as those of `db` are: with a pool that the application has used up, no client would
    /// hear of anything. Which tables have triggers is found out here, once: run the migrations before.
    ///
    /// # Errors
    /// [`OutboxError`]: the tables are missing, or the database is not what it has to be.
    pub async fn open(db: DatabaseConnection) -> Result<Self, OutboxError> {
        Options::default().open(db).await
    }

    /// Returns the options to open one with.
    pub fn options() -> Options {
        Options::default()
    }

    /// Writes stored events into an open transaction: what [`append_in`](TransactionalLog::append_in) does with records.
    ///
    /// # Errors
    /// The database's.
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
        // Next to each other: numbers are drawn one by one, and others that append would draw theirs in between. Many may
        // append one event each at once.
        let lock = match events.len() {
            1 => "SELECT pg_advisory_xact_lock_shared($1)",
            _ => "SELECT pg_advisory_xact_lock($1)",
        };
        let lock = sqlx::query(lock).bind(APPEND_LOCK);
        lock.execute(&mut *transaction).await?;
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

// Here and not in `options.rs`, so that imports go one way: the log knows its options, not the other way round.
impl Options {
    /// Opens the outbox.
    ///
    /// # Errors
    /// [`OutboxError`]: the tables are missing, or the database is not what it has to be.
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
            // One that is dead is an error like others, and is asked again.
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
    /// Events of one call are next to each other among those of other calls; the transactions of the application, which
    /// wait for nobody, may have theirs in between.
    ///
    /// It tries for five seconds. A server that dies at the commit may leave the events there twice, which costs a frame; not
    /// to try again would cost the event.
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
        tail::tail(&self.node)
    }

    /// Returns the place up to which all transactions are done: not the last event, for one that is open may have a
    /// smaller number, and who began behind it would miss it. It waits up to 100 ms for those that are open.
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
