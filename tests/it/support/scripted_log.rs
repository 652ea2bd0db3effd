//! An event log that tells what the test has it tell.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use rest_live::log::{Cursor, Entry, EventLog, LogError, ReadError, Record, Tail};
use tokio::sync::mpsc;

/// A log without events, whose tail and head are in the test's hands.
#[derive(Clone, Debug)]
pub struct ScriptedLog {
    /// `None`: it cannot be reached.
    head: Arc<Mutex<Option<Cursor>>>,
    panics: Arc<AtomicBool>,
    tell: mpsc::UnboundedSender<Tail>,
    told: Arc<Mutex<Option<mpsc::UnboundedReceiver<Tail>>>>,
}

impl ScriptedLog {
    pub fn new(head: Cursor) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            head: Arc::new(Mutex::new(Some(head))),
            panics: Arc::default(),
            tell,
            told: Arc::new(Mutex::new(Some(told))),
        }
    }

    /// Has its tail yield something.
    pub fn tell(&self, tail: Tail) {
        self.tell.send(tail).unwrap();
    }

    /// Loses everything up to a cursor, which is the head from now on.
    pub fn lose_up_to(&self, cursor: &Cursor) {
        *self.head.lock().unwrap() = Some(cursor.clone());
        self.tell(Tail::Reset(cursor.clone()));
    }

    /// Has a defect from now on.
    pub fn panic(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    pub fn break_down(&self) {
        *self.head.lock().unwrap() = None;
    }
}

impl EventLog for ScriptedLog {
    fn append(&self, _: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        future::ready(Ok(())).boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let told = self.told.lock().unwrap().take().unwrap();
        stream::unfold(told, async |mut told| {
            told.recv().await.map(|tail| (tail, told))
        })
        .boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        assert!(!self.panics.load(Ordering::Relaxed), "a log that fails");
        let head = self.head.lock().unwrap().clone();
        future::ready(head.ok_or_else(|| LogError::new("it is gone"))).boxed()
    }

    fn read(&self, _: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        future::ready(Err(ReadError::Expired)).boxed()
    }

    fn known_head(&self) -> Option<Cursor> {
        assert!(!self.panics.load(Ordering::Relaxed), "a log that fails");
        self.head.lock().unwrap().clone()
    }
}
