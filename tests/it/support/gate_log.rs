//! An event log whose appends a test can hold, as a slow network does.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use rest_live::log::{Cursor, Entry, EventLog, LogError, MemoryLog, ReadError, Record, Tail};
use tokio::sync::Notify;

use super::soon;
use crate::entities::task;

/// A log of tasks that holds the next append after [`GateLog::shut`].
#[derive(Clone, Debug, Default)]
pub struct GateLog {
    log: MemoryLog,
    /// Whether the next append waits.
    is_shut: Arc<AtomicBool>,
    arrived: Arc<Notify>,
    opened: Arc<Notify>,
    taken: Arc<Mutex<Vec<Option<task::Model>>>>,
}

impl GateLog {
    /// Holds the next append, and only that one.
    pub fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
    }

    /// Waits until an append is held.
    pub async fn arrived(&self) {
        soon("an append", self.arrived.notified()).await;
    }

    /// Releases the append that is held.
    pub fn open(&self) {
        self.opened.notify_one();
    }

    /// Returns everything that was appended so far: the rows as written, and `None` for a reset
    /// or a deleted row.
    pub fn taken(&self) -> Vec<Option<task::Model>> {
        self.taken.lock().unwrap().clone()
    }
}

impl EventLog for GateLog {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            if self.is_shut.swap(false, Ordering::SeqCst) {
                self.arrived.notify_one();
                self.opened.notified().await;
            }
            for event in &events {
                let new = event.event().as_row().and_then(|row| row.new.as_ref());
                let row = new.map(|new| new.downcast::<task::Model>().unwrap().clone());
                self.taken.lock().unwrap().push(row);
            }
            self.log.append(events).await
        }
        .boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        self.log.tail()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        self.log.head()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        self.log.read(after, limit)
    }

    fn known_head(&self) -> Option<Cursor> {
        self.log.known_head()
    }
}
