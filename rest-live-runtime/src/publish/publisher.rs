//! Takes committed events and appends them to the event log.
//!
//! Capture calls it. It appends the events that are in order, and rereads the rows whose order is
//! unknown. A writer waits for the log only, and never for a client's socket.

mod late_append;
mod reread;

use std::{mem, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    detach::Detached,
    open_writes::OpenWrites,
    order::{Interval, Order, OrderedEvent},
};
use crate::{
    data::{
        cursor::Cursor, event::Event, random_name::random_name, row_id::RowId,
        scoped_model::ScopedModel,
    },
    log::{EventLog, EventSource, LogError, Record, TransactionalLog},
    metrics::Metrics,
    model::{default_schema::DefaultSchema, registry::Registry, row_reader::RowReader},
    user_code,
};

/// An event that is committed, with the interval of its write.
pub(crate) type Committed = (Event, Option<Arc<Interval>>);

/// Publishes the committed events of one `Live`.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) registry: Arc<Registry>,
    pub(crate) order: Arc<Order>,
    pub(crate) open_writes: Arc<OpenWrites>,
    /// The name of this process in the log.
    pub(crate) node: Arc<str>,
    log: Arc<dyn EventLog>,
    pub(crate) reader: RowReader,
    pub(crate) default_schema: Arc<DefaultSchema>,
    /// Whether the database is a stand-in of a test: rest-live sends it no statements of its own.
    pub(crate) is_stand_in: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) runtime: Handle,
    reread_permits: Semaphore,
    /// Work that must not end with the request that started it.
    tasks: TaskTracker,
    /// Canceled when rereads and background futures must end.
    abort: CancellationToken,
}

/// Events that are being appended. Its drop ends the append in the [`Order`], also if the append
/// did not complete.
struct OpenAppend {
    publisher: Arc<Publisher>,
    rows: Vec<RowId>,
    resets: Vec<ScopedModel>,
    /// The models of the events; empty when the append is complete.
    models: Vec<ScopedModel>,
}

impl Publisher {
    pub(crate) fn new(
        registry: Arc<Registry>,
        log: Arc<dyn EventLog>,
        reader: RowReader,
        default_schema: Arc<DefaultSchema>,
        metrics: Arc<Metrics>,
        runtime: Handle,
        max_order_bytes: usize,
    ) -> Self {
        let order = Order::new(Order::MAX_ROWS, max_order_bytes);
        Self {
            registry,
            open_writes: OpenWrites::new(Arc::clone(&log), Arc::clone(&order)),
            order,
            node: random_name().into(),
            log,
            is_stand_in: reader.reads_stand_in(),
            reader,
            default_schema,
            metrics,
            runtime,
            reread_permits: Semaphore::new(reread::MAX_CONCURRENT_REREADS),
            tasks: TaskTracker::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Publishes the events of a committed unit, and returns when they are in the log. It never
    /// fails: if the log cannot append the events, an error in the application log says so.
    ///
    /// # Cancel safety
    /// Safe after the first poll: the append continues in a task if the future is dropped.
    pub(crate) async fn publish(self: &Arc<Self>, events: Vec<Committed>) {
        if events.is_empty() {
            return;
        }
        let open = self.open_writes.begin();
        let admission = self.order.admit(events);
        for row in admission.rereads {
            self.start_reread(row);
        }
        let models = admission.events.iter().map(|e| e.event.scoped_model());
        let append = OpenAppend {
            publisher: Arc::clone(self),
            rows: admission.rows,
            resets: admission.resets,
            models: distinct(models),
        };
        let events = admission.events;
        let append = async move {
            append.publisher.append(events).await;
            append.complete();
            if let Some(open) = open {
                open.end();
            }
        };
        // The request may be dropped while a slow log appends.
        Detached::new(append.boxed(), &self.tasks, self.runtime.clone()).await;
    }

    /// Returns the log if it is in the application's database.
    pub(crate) fn transactional(&self) -> Option<&dyn TransactionalLog> {
        self.log.transactional()
    }

    /// Writes the events of a transaction to the log within that transaction, so that both commit
    /// together. The database then decides the order.
    ///
    /// # Errors
    /// The database's error. The transaction cannot be committed then.
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
        let records = events.map(|(event, _)| self.record(event, None)).collect();
        log.append_in(transaction, records).await
    }

    /// Returns the record of an event, with this node as its source.
    fn record(&self, event: Event, began: Option<Cursor>) -> Record {
        let source = EventSource {
            node: Some(Arc::clone(&self.node)),
            began,
        };
        Record::new(event, source, Arc::clone(&self.registry))
    }

    /// Publishes events in a task.
    pub(crate) fn publish_later(self: &Arc<Self>, events: Vec<Committed>) {
        let publisher = Arc::clone(self);
        let open = self.open_writes.begin();
        let late = self.order.begin_late_append();
        let publish = async move {
            publisher.publish(events).await;
            drop(late);
            if let Some(open) = open {
                open.end();
            }
        };
        self.tasks.spawn_on(publish, &self.runtime);
    }

    /// Announces a write to the log, and [completes](Self::complete) it. The write returns when its
    /// events are in the log.
    ///
    /// # Errors
    /// The write's error.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        write: BoxFuture<'static, Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let Some(mut open) = self.open_writes.begin() else {
            return self.complete(write).await;
        };
        let write = async move {
            open.announced().await;
            let result = write.await;
            open.end();
            result
        };
        self.complete(write.boxed()).await
    }

    /// Completes a write even if its request is dropped. The write then continues in a task on the
    /// caller's runtime, because that runtime drives its connection.
    ///
    /// # Errors
    /// The write's error.
    pub(crate) async fn complete<T: 'static>(
        &self,
        write: BoxFuture<'static, Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        Detached::new(write, &self.tasks, runtime).await
    }

    /// Runs a future in the background until the `Live` is dropped.
    pub(crate) fn spawn_background(&self, future: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        self.runtime
            .spawn(async move { abort.run_until_cancelled(future).await });
    }

    /// Waits until everything that was started so far is in the log.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends rereads and background futures: no client is left to notify.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }

    async fn append(&self, events: Vec<OrderedEvent>) {
        if events.is_empty() {
            return;
        }
        let count = events.len();
        // The log may be the application's code: a panic in it must not reach the writer.
        let append = user_code::call_async(self.append_records(events));
        let error = match append.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panicked) => LogError::new(panicked),
        };
        self.metrics.events_lost.increment(count as u64);
        tracing::error!(
            count,
            error = &error as &dyn std::error::Error,
            "the event log did not accept events: their rows are written, but clients do not receive these changes"
        );
    }

    async fn append_records(&self, events: Vec<OrderedEvent>) -> Result<(), LogError> {
        let events = events.into_iter();
        if let Some(log) = self.log.transactional() {
            let events = events.map(|ordered| ordered.event).collect();
            return self.append_late(log, events).await;
        }
        let record = |OrderedEvent { event, read_cursor }| self.record(event, read_cursor);
        self.log.append(events.map(record).collect()).await
    }
}

impl OpenAppend {
    fn complete(mut self) {
        self.models.clear();
    }
}

impl Drop for OpenAppend {
    fn drop(&mut self) {
        let rows = mem::take(&mut self.rows);
        for row in self.publisher.order.finish_append(rows, &self.resets) {
            self.publisher.start_reread(row);
        }
        // The runtime ended during a slow append: whether the log has the events is unknown.
        if !self.models.is_empty() {
            self.publisher
                .publish_later(resets(mem::take(&mut self.models)));
        }
    }
}

/// Returns a reset for each model of the events: for writes of which it is unknown what was
/// committed.
pub(crate) fn resets_of(events: impl IntoIterator<Item = Committed>) -> Vec<Committed> {
    resets(events.into_iter().map(|(event, _)| event.scoped_model()))
}

/// Returns one reset for each distinct model.
pub(crate) fn resets(models: impl IntoIterator<Item = ScopedModel>) -> Vec<Committed> {
    let models = distinct(models).into_iter();
    let reset = |ScopedModel { label, scope }| Event::reset(label).in_scope(scope);
    models.map(|model| (reset(model), None)).collect()
}

fn distinct(models: impl IntoIterator<Item = ScopedModel>) -> Vec<ScopedModel> {
    let mut distinct = Vec::new();
    for model in models {
        if !distinct.contains(&model) {
            distinct.push(model);
        }
    }
    distinct
}
