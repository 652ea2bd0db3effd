use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{
    future::ready,
    stream::{self, BoxStream, StreamExt},
};
use tokio::sync::Notify;

use super::*;
use crate::{
    data::cursor::Cursor,
    log::{Entry, LogError, ReadError, Record, Tail},
};

/// A shared log that counts the announcements, and sends them when the test wants.
#[derive(Debug, Default)]
struct Announcements {
    begun: AtomicUsize,
    ended: AtomicUsize,
    sent: Arc<Notify>,
}

impl EventLog for Announcements {
    fn append(&self, _: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        ready(Ok(())).boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        stream::empty().boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        ready(Err(LogError::new("no head"))).boxed()
    }

    fn read(&self, _: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        ready(Err(ReadError::Ahead)).boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn begin_writes(&self) -> Option<BoxFuture<'static, ()>> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let sent = Arc::clone(&self.sent);
        Some(async move { sent.notified().await }.boxed())
    }

    fn end_writes(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Announcements {
    /// Returns how often an announcement began, and how often it was retracted.
    fn counts(&self) -> (usize, usize) {
        let [begun, ended] = [&self.begun, &self.ended].map(|n| n.load(Ordering::Relaxed));
        (begun, ended)
    }
}

fn open_writes() -> (Arc<Announcements>, Arc<Order>, Arc<OpenWrites>) {
    let (log, order) = (Arc::new(Announcements::default()), Order::new(8, 1 << 20));
    let shared: Arc<dyn EventLog> = log.clone();
    let writes = OpenWrites::new(shared, Arc::clone(&order));
    (log, order, writes)
}

fn begin(writes: &Arc<OpenWrites>) -> OpenWrite {
    writes.begin().expect("the log needs announcements")
}

#[test]
fn overlapping_writes_share_an_announcement() {
    let (log, _, writes) = open_writes();
    let (first, second) = (begin(&writes), begin(&writes));
    first.end();
    assert_eq!(log.counts(), (1, 0));
    second.end();
    assert_eq!(log.counts(), (1, 1));
    begin(&writes).end();
    assert_eq!(log.counts(), (2, 2));
}

#[test]
fn every_write_waits_for_the_announcement() {
    let (log, _, writes) = open_writes();
    let (mut first, mut second) = (begin(&writes), begin(&writes));
    assert!(first.announced().now_or_never().is_none());
    let mut second = Box::pin(second.announced());
    assert!((&mut second).now_or_never().is_none());
    log.sent.notify_one();
    assert!(second.now_or_never().is_some());
    assert!(begin(&writes).announced().now_or_never().is_some());
}

#[test]
fn write_without_an_end_stays_announced() {
    let (log, _, writes) = open_writes();
    drop(begin(&writes));
    begin(&writes).end();
    writes.retract_if_idle();
    assert_eq!(log.counts(), (1, 0));
}

#[test]
fn open_interval_stays_announced() {
    let (log, order, writes) = open_writes();
    let interval = order.begin();
    begin(&writes).end();
    assert_eq!(log.counts(), (1, 0));
    drop(interval);
    writes.retract_if_idle();
    assert_eq!(log.counts(), (1, 1));
}

#[test]
fn canceled_announcement_leaves_nothing_open() {
    let (log, order, writes) = open_writes();
    let interval = order.begin();
    drop(writes.announce().expect("it is being sent"));
    assert_eq!(log.counts(), (1, 0));
    drop(interval);
    writes.retract_if_idle();
    assert_eq!(log.counts(), (1, 1));
}

#[test]
fn log_in_this_process_needs_none() {
    let log: Arc<dyn EventLog> = Arc::new(crate::log::MemoryLog::default());
    assert!(
        OpenWrites::new(log, Order::new(8, 1 << 20))
            .begin()
            .is_none()
    );
}
