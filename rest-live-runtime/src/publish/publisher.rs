//! From a committed write to the log: what may be told as it is, is appended; rows whose order is not
//! known are settled. Capture calls it; it waits for the log only, and for nobody's socket.

use std::{mem, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    detach::Detached,
    order::{Interval, Next, Order, OrderedEvent, RowId},
};
use crate::{
    data::{
        cursor::Cursor,
        event::{Event, EventKind, Row},
        token,
    },
    log::{EventLog, EventSource, LogError, Record, TransactionalLog},
    metrics::Metrics,
    model::registry::Registry,
    user_code,
};

/// So long the reading of a row that is to be settled may take: its subscribers are told to fetch again then.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many rows are read at once that are to be settled.
const AT_ONCE: usize = 4;

/// An event that is committed, with the interval of its write.
pub(crate) type Committed = (Event, Option<Arc<Interval>>);

/// Events on their way to the log.
struct Telling {
    publisher: Arc<Publisher>,
    rows: Vec<RowId>,
    resets: Vec<Arc<str>>,
    models: Vec<Arc<str>>,
}

/// Takes in what was committed.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) registry: Arc<Registry>,
    pub(crate) order: Arc<Order>,
    /// The name of this process in the log.
    pub(crate) node: Arc<str>,
    log: Arc<dyn EventLog>,
    pub(crate) db: DatabaseConnection,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) runtime: Handle,
    /// Who reads rows that are to be settled.
    turns: Semaphore,
    /// What must not end with the request that began it.
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl Publisher {
    pub(crate) fn new(
        registry: Arc<Registry>,
        log: Arc<dyn EventLog>,
        db: DatabaseConnection,
        metrics: Arc<Metrics>,
        runtime: Handle,
    ) -> Self {
        Self {
            registry,
            order: Order::new(Order::MOST_ROWS),
            node: token::random().into(),
            log,
            db,
            metrics,
            runtime,
            turns: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            abort: CancellationToken::new(),
        }
    }

    /// OrderedEvent of a committed unit. It never fails: a log that cannot take the events is an error in the
    /// application's log.
    pub(crate) async fn publish(self: &Arc<Self>, events: Vec<Committed>) {
        if events.is_empty() {
            return;
        }
        let admitted = self.order.admit(events);
        for row in admitted.unsettled {
            self.begin_to_settle(row);
        }
        let telling = Telling {
            publisher: Arc::clone(self),
            rows: admitted.rows,
            resets: admitted.resets,
            models: distinct(admitted.events.iter().map(|t| Arc::clone(&t.event.model))),
        };
        let events = admitted.events;
        let appending = async move {
            telling.publisher.append(events).await;
            telling.end();
        };
        // A request may be given up while a log takes its time.
        Detached::new(appending.boxed(), &self.tasks, self.runtime.clone()).await;
    }

    /// Returns the log, where it is in the application's database.
    pub(crate) fn transactional(&self) -> Option<&dyn TransactionalLog> {
        self.log.transactional()
    }

    /// Writes what a transaction tells into it, to be committed with it: then the database knows the order.
    ///
    /// # Errors
    /// The database's: nothing can be committed then.
    pub(crate) async fn publish_in(
        &self,
        log: &dyn TransactionalLog,
        transaction: &DatabaseTransaction,
        events: Vec<Committed>,
    ) -> Result<(), DbErr> {
        if events.is_empty() {
            return Ok(());
        }
        let events = events.into_iter();
        let events = events.map(|(event, _)| self.record(event, None)).collect();
        log.append_in(transaction, events).await
    }

    /// Returns an event as this node hands it to the log.
    fn record(&self, event: Event, began: Option<Cursor>) -> Record {
        let origin = EventSource {
            node: Some(Arc::clone(&self.node)),
            began,
        };
        Record::new(event, origin, Arc::clone(&self.registry))
    }

    /// Publishes without anybody waiting for it.
    pub(crate) fn publish_later(self: &Arc<Self>, events: Vec<Committed>) {
        let publisher = Arc::clone(self);
        let publishing = async move { publisher.publish(events).await };
        self.tasks.spawn_on(publishing, &self.runtime);
    }

    /// Has a row be told that may have been written. `old` is what subscribers may hold of it.
    pub(crate) fn settle(self: &Arc<Self>, row: RowId, old: impl IntoIterator<Item = Row>) {
        if self.unsettle(&row, old) {
            self.begin_to_settle(row);
        }
    }

    /// Has all that is told of a row from now on wait for it to be read. Returns whether the caller is to
    /// [have it read](Self::begin_to_settle).
    pub(crate) fn unsettle(&self, row: &RowId, old: impl IntoIterator<Item = Row>) -> bool {
        let old = self.distinct(row, old.into_iter().collect());
        self.order.unsettle(row, old)
    }

    /// Reads a row that nobody else does, and tells how it is.
    pub(crate) fn begin_to_settle(self: &Arc<Self>, row: RowId) {
        self.metrics.rereads.increment(1);
        let settling = Arc::clone(self).read_and_tell(row);
        let abort = self.abort.clone();
        let task = async move { _ = abort.run_until_cancelled(settling).await };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Runs a write to its end, also when its request is given up: then in a task on the runtime of the caller, which
    /// drives its connection.
    ///
    /// # Errors
    /// The write's.
    pub(crate) async fn complete<T: 'static>(
        &self,
        write: BoxFuture<'static, Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        Detached::new(write, &self.tasks, runtime).await
    }

    /// Runs a future until the `Live` is dropped.
    pub(crate) fn watch(&self, future: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        self.runtime
            .spawn(async move { abort.run_until_cancelled(future).await });
    }

    /// Waits until all that was begun so far is in the log.
    pub(crate) async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends what nobody is told of any more.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }

    async fn append(&self, events: Vec<OrderedEvent>) {
        if events.is_empty() {
            return;
        }
        let count = events.len();
        // Whose code a log is, nobody knows: what it does must not reach the writer.
        let append = user_code::call_async(self.hand_in(events));
        let error = match append.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panicked) => LogError::new(panicked),
        };
        self.metrics.events_lost.increment(count as u64);
        tracing::error!(
            count,
            error = &error as &dyn std::error::Error,
            "events are lost: the log did not take them"
        );
    }

    async fn hand_in(&self, events: Vec<OrderedEvent>) -> Result<(), LogError> {
        let events = events.into_iter();
        if let Some(log) = self.log.transactional() {
            let events = events.map(|tells| tells.event).collect();
            let settled = self.append_settled(log, events).await;
            return settled.map_err(LogError::new);
        }
        let record = |OrderedEvent { event, read }| self.record(event, read);
        self.log.append(events.map(record).collect()).await
    }

    /// OrderedEvent of writes whose transaction is over, or nobody's: the row is read and locked in one of our own, so that what is
    /// told of it is in the order in which it was committed.
    async fn append_settled(
        &self,
        log: &dyn TransactionalLog,
        events: Vec<Event>,
    ) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        let mut settled = Vec::with_capacity(events.len());
        for event in events {
            let model = self.registry.model_by_label(&event.model);
            let event = match (event.kind, model) {
                (EventKind::Row(change), Some(model)) => {
                    let found = model.table.read_locked(&transaction, &change.key).await?;
                    let named = change.old.into_iter().chain(change.new).collect();
                    Event::reread(event.model, change.key, named, found)
                }
                (kind, _) => Event {
                    kind,
                    ..Event::reset(event.model)
                },
            };
            settled.push((event, None));
        }
        self.publish_in(log, &transaction, settled).await?;
        transaction.commit().await?;
        log.committed();
        Ok(())
    }

    /// Reads a row until nothing more is written to it meanwhile, and tells each time what it is.
    async fn read_and_tell(self: Arc<Self>, row: RowId) {
        // Not more than a few of the application's connections.
        let Ok(_turn) = self.turns.acquire().await else {
            return;
        };
        loop {
            let read = self.order.read();
            let named = self.order.settling(&row);
            let (label, key) = &row;
            let found = match named {
                Some(named) => match self.read(&row).await {
                    Ok(found) => {
                        let named = self.distinct(&row, named);
                        let label = Arc::clone(label);
                        let event = Event::reread(label, key.clone(), named, found.clone());
                        self.append(vec![OrderedEvent { event, read }]).await;
                        found
                    }
                    Err(why) => {
                        tracing::error!(
                            model = &**label,
                            error = why,
                            "a row that several wrote at once could not be read again: its model's subscribers are told to fetch"
                        );
                        self.append_reset(&row).await;
                        None
                    }
                },
                None => {
                    self.append_reset(&row).await;
                    None
                }
            };
            if self.order.settled(&row, found) == Next::Done {
                return;
            }
        }
    }

    fn distinct(&self, (label, _): &RowId, rows: Vec<Row>) -> Vec<Row> {
        // To read a column is the application's code.
        let distinct = |rows: Vec<Row>| match self.registry.model_by_label(label) {
            Some(model) => model.distinct(rows),
            None => rows,
        };
        let kept = rows.clone();
        user_code::call(|| distinct(rows)).unwrap_or(kept)
    }

    async fn append_reset(&self, row: &RowId) {
        // Before and after: from the one on a client may fetch, up to the other it may not have.
        self.order.reset(row);
        let event = Event::reset(Arc::clone(&row.0));
        self.append(vec![OrderedEvent { event, read: None }]).await;
        self.order.reset(row);
    }

    async fn read(&self, (label, key): &RowId) -> Result<Option<Row>, String> {
        let Some(model) = self.registry.model_by_label(label) else {
            return Err("the model is not registered".to_owned());
        };
        // Decoding a row is the application's code, too.
        let find = user_code::call_async(async { model.table.read(&self.db, key).await });
        match timeout(PATIENCE, find).await {
            Ok(Ok(Ok(row))) => Ok(row),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(panicked)) => Err(panicked.to_string()),
            Err(_) => Err(format!("it took longer than {PATIENCE:?}")),
        }
    }
}

impl Telling {
    fn end(mut self) {
        self.models.clear();
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let rows = mem::take(&mut self.rows);
        for row in self.publisher.order.told(rows, &self.resets) {
            self.publisher.begin_to_settle(row);
        }
        // The runtime ended while a slow log took them in, or not: nobody knows.
        if !self.models.is_empty() {
            self.publisher
                .publish_later(resets(mem::take(&mut self.models)));
        }
    }
}

/// Returns a reset of each model that was written: where it is not known what of it is committed.
pub(crate) fn resets_of(events: impl IntoIterator<Item = Committed>) -> Vec<Committed> {
    resets(events.into_iter().map(|(event, _)| event.model))
}

/// Returns a reset of each of these models: one is enough.
pub(crate) fn resets(models: impl IntoIterator<Item = Arc<str>>) -> Vec<Committed> {
    let models = distinct(models).into_iter();
    models.map(|model| (Event::reset(model), None)).collect()
}

fn distinct(models: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut distinct = Vec::new();
    for model in models {
        if !distinct.contains(&model) {
            distinct.push(model);
        }
    }
    distinct
}
