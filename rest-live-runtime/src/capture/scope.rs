//! Where events go while their write is not yet final.

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt;
use sea_orm::DbBackend;
use tokio::runtime::Handle;

use super::stash::Stash;
use crate::{
    event::Event,
    log::{EventLog, LogError},
    metrics::Metrics,
    registry::Registry,
};

/// One connection or one (nested) transaction, as the hooks see it.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) registry: Arc<Registry>,
    log: Arc<dyn EventLog>,
    metrics: Arc<Metrics>,
    /// Where a commit runs on when its future is dropped.
    pub(super) runtime: Handle,
    /// Held from COMMIT to the log, where commits come one after the other anyway: SQLite has one
    /// writer. So the log has the transactions in the order in which they were committed.
    pub(super) turn: Option<Arc<tokio::sync::Mutex<()>>>,
    /// What `before_*` hooks found out for `after_*` hooks.
    pub(super) stash: Stash,
    /// The events of a transaction that is still open; `None` where every write commits by itself.
    open: Option<Mutex<Vec<Event>>>,
}

impl Scope {
    /// Returns the scope of a connection: every write commits by itself.
    pub(crate) fn autocommit(
        registry: Arc<Registry>,
        log: Arc<dyn EventLog>,
        runtime: Handle,
        backend: DbBackend,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            registry,
            log,
            metrics,
            runtime,
            turn: (backend == DbBackend::Sqlite).then(Arc::default),
            stash: Stash::default(),
            open: None,
        }
    }

    /// Returns the scope of a transaction begun in this one.
    pub(super) fn begin(&self) -> Self {
        Self {
            registry: Arc::clone(&self.registry),
            log: Arc::clone(&self.log),
            metrics: Arc::clone(&self.metrics),
            runtime: self.runtime.clone(),
            turn: self.turn.clone(),
            stash: Stash::default(),
            open: Some(Mutex::default()),
        }
    }

    pub(super) fn is_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Takes in the events of a write that is done: keeps them while a transaction is open, hands
    /// them to the log where none is. It never fails the write: a log that cannot take the events
    /// is an error in the application's log.
    pub(super) async fn record(&self, mut events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        match &self.open {
            Some(open) => open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(&mut events),
            None => {
                let count = events.len();
                // Whose code a log is, nobody knows: what it does must not reach the writer.
                let append =
                    AssertUnwindSafe(async { self.log.append(events).await }).catch_unwind();
                let error = match append.await {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error),
                    Err(_) => Some(LogError::new("it panicked")),
                };
                if let Some(error) = error {
                    self.metrics.events_lost.increment(count as u64);
                    tracing::error!(
                        count,
                        error = &error as &dyn std::error::Error,
                        "events are lost: the log did not take them"
                    );
                }
            }
        }
    }

    /// Takes the events of a transaction out, in the order of their writes.
    pub(super) fn take(&self) -> Vec<Event> {
        self.open
            .as_ref()
            .map(|open| mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}
