//! The event log in the memory of this process: a bounded ring.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::{Entry, EventLog, LogError, ReadError, Record, Tail};
use crate::{
    data::{
        cursor::{Cursor, Epoch},
        event::Event,
    },
    memory_budget::MemoryBudget,
};

/// An event log in this process: a ring of the newest events, with their rows.
///
/// The ring is bounded by a number of events and by their bytes, which
/// [`LiveBuilder::memory_budget`](crate::LiveBuilder::memory_budget) sets. It always keeps the
/// newest event.
///
/// If a reader is so slow that events are dropped before it reads them, it yields a reset. If a
/// transaction has more events than the ring can keep, all subscribers receive a reset. The events
/// are lost when the process ends, so every start begins a new epoch.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    capacity: usize,
    ring: Mutex<Ring>,
    head: watch::Sender<u64>,
}

/// The newest events.
#[derive(Debug)]
struct Ring {
    /// Oldest first; the last one has position `head`.
    events: VecDeque<KeptEvent>,
    bytes: usize,
    max_bytes: usize,
}

/// An event, and the position of the first event that was appended with it.
type KeptEvent = (Arc<Event>, u64);

impl MemoryLog {
    /// Number of events that a [`MemoryLog::default`] keeps.
    pub const DEFAULT_CAPACITY: usize = 16_384;

    /// Creates an empty log that keeps the newest `capacity` events. Zero counts as one.
    pub fn new(capacity: usize) -> Self {
        let shared = Shared {
            epoch: Epoch::random(),
            capacity: capacity.max(1),
            ring: Mutex::new(Ring {
                events: VecDeque::new(),
                bytes: 0,
                max_bytes: MemoryBudget::default().log,
            }),
            head: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn head_cursor(&self) -> Cursor {
        self.shared.cursor(*self.shared.head.borrow())
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }

    fn cursor(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    /// Returns the first `limit` events after `position`, or `None` if the ring has dropped some of
    /// them.
    fn entries_after(&self, position: u64, limit: usize) -> Option<Vec<Entry>> {
        let ring = self.ring();
        let missing = (*self.head.borrow()).saturating_sub(position) as usize;
        let first = ring.events.len().checked_sub(missing)?;
        let entries = ring
            .events
            .range(first..)
            .take(limit)
            .zip(position + 1..)
            .map(|((event, unit), position)| {
                Entry::new(position, Arc::clone(event)).in_unit(*unit)
            });
        Some(entries.collect())
    }

    /// Returns the next item of a tail that has reached `position`, and the position after it.
    fn next_item(&self, position: u64) -> (Tail, u64) {
        match self.entries_after(position, usize::MAX) {
            Some(entries) => {
                let position = entries.last().map_or(position, |entry| entry.position);
                let watermark = self.cursor(position);
                let as_of = None;
                (
                    Tail::Entries {
                        entries,
                        watermark,
                        as_of,
                    },
                    position,
                )
            }
            None => {
                let head = *self.head.borrow();
                (Tail::Reset(self.cursor(head)), head)
            }
        }
    }
}

impl Ring {
    fn push(&mut self, event: Arc<Event>, unit: u64) {
        self.bytes += event.bytes();
        self.events.push_back((event, unit));
    }

    /// Moves the oldest events to `dropped` until the ring keeps its bounds.
    fn trim(&mut self, capacity: usize, dropped: &mut Vec<KeptEvent>) {
        while self.events.len() > capacity || self.bytes > self.max_bytes && self.events.len() > 1 {
            let Some(kept) = self.events.pop_front() else {
                return;
            };
            self.bytes -= kept.0.bytes();
            dropped.push(kept);
        }
    }
}

impl EventLog for MemoryLog {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        let count = events.len();
        let mut dropped = Vec::new();
        let mut ring = self.shared.ring();
        let unit = *self.shared.head.borrow() + 1;
        for event in events {
            ring.push(Arc::new(event.into_event()), unit);
            ring.trim(self.shared.capacity, &mut dropped);
        }
        // Still under the lock of the ring, so that `head` and the ring always agree.
        self.shared.head.send_modify(|head| *head += count as u64);
        // After the lock: rows belong to the application, and may be large.
        drop(ring);
        drop(dropped);
        future::ready(Ok(())).boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let mut head = self.shared.head.subscribe();
        let start = *head.borrow_and_update();
        let begin = Tail::Begin(self.shared.cursor(start));
        let shared = Arc::downgrade(&self.shared);
        let rest = stream::unfold(
            (shared, head, start),
            async |(shared, mut head, position)| {
                // The tail ends when the log is dropped, because the sender is dropped with it.
                head.wait_for(|head| *head > position).await.ok()?;
                let (tail, position) = shared.upgrade()?.next_item(position);
                Some((tail, (shared, head, position)))
            },
        );
        stream::iter([begin]).chain(rest).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        future::ready(Ok(self.head_cursor())).boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        let entries = if after.epoch != self.shared.epoch {
            Err(ReadError::Epoch)
        } else if after.position > self.head_cursor().position {
            Err(ReadError::Ahead)
        } else {
            self.shared
                .entries_after(after.position, limit)
                .ok_or(ReadError::Expired)
        };
        future::ready(entries).boxed()
    }

    fn known_head(&self) -> Option<Cursor> {
        Some(self.head_cursor())
    }

    fn set_memory_budget(&self, bytes: usize) {
        let mut dropped = Vec::new();
        let mut ring = self.shared.ring();
        ring.max_bytes = bytes;
        ring.trim(self.shared.capacity, &mut dropped);
        drop(ring);
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contract::{Subject, records};

    const CAPACITY: usize = 4096;

    struct Memory(MemoryLog);

    impl Memory {
        async fn start() -> Self {
            Self(MemoryLog::new(CAPACITY))
        }
    }

    impl Subject for Memory {
        fn open(&self) -> BoxFuture<'_, Arc<dyn EventLog>> {
            future::ready(Arc::new(self.0.clone()) as Arc<dyn EventLog>).boxed()
        }

        fn trim(&self) -> BoxFuture<'_, ()> {
            let append = self.0.append(records(0, CAPACITY));
            append
                .map(|appended| appended.expect("the log is in memory"))
                .boxed()
        }
    }

    crate::contract_tests!(Memory::start());

    #[tokio::test]
    async fn the_tail_ends_when_the_log_is_dropped() {
        let log = MemoryLog::default();
        let mut tail = log.tail();
        assert!(matches!(tail.next().await, Some(Tail::Begin(_))));
        log.append(records(1, 1))
            .await
            .expect("the log is in memory");
        assert!(matches!(tail.next().await, Some(Tail::Entries { .. })));
        drop(log);
        assert!(tail.next().await.is_none());
    }

    /// Appends resets of a model one by one.
    async fn append_resets(log: &MemoryLog, count: usize) {
        for _ in 0..count {
            let reset = Event::reset("a.B".into());
            let append = log.append(vec![reset.into()]);
            append.await.expect("the log is in memory");
        }
    }

    #[tokio::test]
    async fn bytes_bound_the_ring() {
        let (log, bytes) = (MemoryLog::default(), Event::reset("a.B".into()).bytes());
        log.set_memory_budget(4 * bytes);
        let start = log.head_cursor();
        let mut tail = log.tail();
        assert!(matches!(tail.next().await, Some(Tail::Begin(_))));
        append_resets(&log, 4).await;
        let read = log.read(start.clone(), 9).await;
        assert_eq!(read.expect("all are kept").len(), 4);
        append_resets(&log, 1).await;
        let read = log.read(start, 9).await;
        assert!(matches!(read, Err(ReadError::Expired)), "{read:?}");
        let Some(Tail::Reset(cursor)) = tail.next().await else {
            panic!("an event that the tail did not read is dropped")
        };
        assert_eq!(cursor.position, 5);
        assert_eq!(log.shared.ring().bytes, 4 * bytes);
        // The newest event is kept in any case, and a lower budget takes effect at once.
        log.set_memory_budget(0);
        assert_eq!(log.shared.ring().events.len(), 1);
        append_resets(&log, 1).await;
        assert!(matches!(tail.next().await, Some(Tail::Entries { .. })));
    }

    #[tokio::test]
    async fn the_head_is_known_without_waiting() {
        let log = MemoryLog::default();
        log.append(records(1, 2))
            .await
            .expect("the log is in memory");
        let head = log.known_head().expect("the log is in memory");
        assert_eq!(head.position, 2);
        assert_eq!(head, log.head().await.expect("the log is in memory"));
    }
}
