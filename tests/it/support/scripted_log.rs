//! An event log that yields what the test sends to it.

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

/// A log without events, whose tail and head the test controls.
#[derive(Clone, Debug)]
pub struct ScriptedLog {
    /// `None` if the log is unreachable.
    head: Arc<Mutex<Option<Cursor>>>,
    panics: Arc<AtomicBool>,
    sender: mpsc::UnboundedSender<Tail>,
    receiver: Arc<Mutex<Option<mpsc::UnboundedReceiver<Tail>>>>,
}

impl ScriptedLog {
    pub fn new(head: Cursor) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            head: Arc::new(Mutex::new(Some(head))),
            panics: Arc::default(),
            sender,
            receiver: Arc::new(Mutex::new(Some(receiver))),
        }
    }

    /// Makes the tail of this log yield an item.
    pub fn tell(&self, tail: Tail) {
        self.sender.send(tail).unwrap();
    }

    /// Sets the head, which the tail has not reached.
    pub fn set_head(&self, cursor: &Cursor) {
        *self.head.lock().unwrap() = Some(cursor.clone());
    }

    /// Loses everything up to a cursor, which becomes the head.
    pub fn lose_up_to(&self, cursor: &Cursor) {
        *self.head.lock().unwrap() = Some(cursor.clone());
        self.tell(Tail::Reset(cursor.clone()));
    }

    /// Moves the head, without an item of the tail.
    pub fn advance(&self, head: &Cursor) {
        *self.head.lock().unwrap() = Some(head.clone());
    }

    /// Panics at every later call that reads the head.
    pub fn panic(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    /// Makes the log unreachable.
    pub fn break_down(&self) {
        *self.head.lock().unwrap() = None;
    }
}

impl EventLog for ScriptedLog {
    fn append(&self, _: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        future::ready(Ok(())).boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let receiver = self.receiver.lock().unwrap().take().unwrap();
        stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|tail| (tail, receiver))
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
