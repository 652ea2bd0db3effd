//! A log that records the events of real writes, so that a bench can append them later.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future, future::BoxFuture, stream::BoxStream};
use rest_live::log::{Cursor, Entry, EventLog, LogError, ReadError, Record, Tail};

/// Records what is appended first, and then forwards to another log.
///
/// It reports that it is not in the application's database, because the rows of these events are in
/// another one. It also reports that no other server shares it: the writes are long past, so the
/// runtime must not look for writes that overlapped them.
#[derive(Clone, Debug)]
pub struct Tap {
    log: Arc<dyn EventLog>,
    is_recording: Arc<AtomicBool>,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Tap {
    /// Records all that is appended, until [`take_records`](Self::take_records).
    pub fn start(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            is_recording: Arc::new(AtomicBool::new(true)),
            records: Arc::default(),
        }
    }

    /// Returns the recorded events. From now on, events are appended to the log.
    pub fn take_records(&self) -> Vec<Record> {
        self.is_recording.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

impl EventLog for Tap {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        if self.is_recording.load(Ordering::Relaxed) {
            self.records.lock().unwrap().extend(events);
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
