//! A log whose events can be had before they are in it: capture makes them of real writes, and a bench appends them when it
//! likes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future, future::BoxFuture, stream::BoxStream};
use rest_live::log::{Cursor, Entry, EventLog, LogError, ReadError, Record, Tail};

/// It says of itself that it is not in the application's database, for the rows of these events are in another; and that nobody
/// shares it, for their writes are long past: nobody is to look for others that overlapped.
#[derive(Clone, Debug)]
pub struct Tap {
    log: Arc<dyn EventLog>,
    is_open: Arc<AtomicBool>,
    drawn: Arc<Mutex<Vec<Record>>>,
}

impl Tap {
    /// Takes all that is appended, until [`drawn`](Self::drawn).
    pub fn open(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            is_open: Arc::new(AtomicBool::new(true)),
            drawn: Arc::default(),
        }
    }

    /// Returns what was taken; what comes now goes into the log.
    pub fn drawn(&self) -> Vec<Record> {
        self.is_open.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.drawn.lock().unwrap())
    }
}

impl EventLog for Tap {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        if self.is_open.load(Ordering::Relaxed) {
            self.drawn.lock().unwrap().extend(events);
            return future::ready(Ok(())).boxed();
        }
        self.log.append(events)
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

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.log.leave()
    }
}
