//! The event log in memory: a bounded ring.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::{Entry, EventLog, LogError, Tail};
use crate::{
    cursor::{Cursor, Epoch},
    event::Event,
};

/// An event log in this process: a ring of the last events. A reader that falls out of it is told
/// to reset. It holds the rows of these events, and a transaction of more events than it keeps resets
/// everybody. Its epoch is new with every start, since what it holds dies with the process.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    capacity: usize,
    /// The newest events, oldest first; the last one has position `head`.
    ring: Mutex<VecDeque<Arc<Event>>>,
    head: watch::Sender<u64>,
}

impl MemoryLog {
    /// The events that a [`MemoryLog::default`] keeps.
    pub const DEFAULT_CAPACITY: usize = 16_384;

    /// Returns an empty log that keeps this many events, at least one.
    pub fn new(capacity: usize) -> Self {
        let shared = Shared {
            epoch: Epoch::random(),
            capacity: capacity.max(1),
            ring: Mutex::default(),
            head: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        // Nothing panics while it is held, so a poisoned ring is whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    /// Returns what came after `position`, or the reset of a reader that is too late, and the
    /// position that follows.
    fn after(&self, position: u64) -> (Tail, u64) {
        let ring = self.ring();
        let head = *self.head.borrow();
        let missing = (head - position) as usize;
        let Some(first) = ring.len().checked_sub(missing) else {
            return (Tail::Reset(self.cursor(head)), head);
        };
        let entries = ring.range(first..).zip(position + 1..);
        (
            Tail::Entries(
                entries
                    .map(|(event, position)| Entry {
                        cursor: self.cursor(position),
                        event: Arc::clone(event),
                    })
                    .collect(),
            ),
            head,
        )
    }
}

impl EventLog for MemoryLog {
    fn append(&self, events: Vec<Event>) -> BoxFuture<'_, Result<(), LogError>> {
        let count = events.len();
        let mut ring = self.shared.ring();
        for event in events {
            if ring.len() == self.shared.capacity {
                ring.pop_front();
            }
            ring.push_back(Arc::new(event));
        }
        // Under the lock, so that `head` and the ring always agree.
        self.shared.head.send_modify(|head| *head += count as u64);
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
                // Ends with the log itself, for then its sender is gone.
                head.wait_for(|head| *head > position).await.ok()?;
                let (tail, position) = shared.upgrade()?.after(position);
                Some((tail, (shared, head, position)))
            },
        );
        stream::iter([begin]).chain(rest).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        future::ready(Ok(self.shared.cursor(*self.shared.head.borrow()))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyValue;

    fn event(n: i128) -> Event {
        Event::settled("a.B".into(), KeyValue::Integer(n), Vec::new(), None)
    }

    fn read(tail: Tail) -> Result<Vec<(u64, KeyValue)>, u64> {
        match tail {
            Tail::Entries(entries) => Ok(entries
                .into_iter()
                .map(|e| {
                    (
                        e.cursor.position,
                        e.event.as_row().expect("a row").key.clone(),
                    )
                })
                .collect()),
            Tail::Reset(cursor) | Tail::Begin(cursor) => Err(cursor.position),
        }
    }

    async fn append(log: &MemoryLog, numbers: std::ops::RangeInclusive<i128>) {
        log.append(numbers.map(event).collect())
            .await
            .expect("memory is there");
    }

    #[tokio::test]
    async fn a_tail_yields_what_is_appended_after_it_in_order() {
        let log = MemoryLog::new(8);
        append(&log, 1..=2).await;
        let mut tail = log.tail();
        assert!(matches!(tail.next().await, Some(Tail::Begin(cursor)) if cursor.position == 2));
        append(&log, 3..=4).await;
        append(&log, 5..=5).await;
        let entries = read(tail.next().await.expect("endless"));
        assert_eq!(
            entries,
            Ok(vec![
                (3, KeyValue::Integer(3)),
                (4, KeyValue::Integer(4)),
                (5, KeyValue::Integer(5))
            ])
        );
        assert!(tail.next().now_or_never().is_none(), "nothing more");
        assert_eq!(log.head().await.expect("memory is there").position, 5);
    }

    #[tokio::test]
    async fn a_reader_that_falls_out_of_the_ring_is_reset_and_goes_on() {
        let log = MemoryLog::new(4);
        let mut tail = log.tail();
        assert_eq!(read(tail.next().await.expect("endless")), Err(0));
        append(&log, 1..=4).await;
        assert_eq!(
            read(tail.next().await.expect("endless")).map(|e| e.len()),
            Ok(4)
        );
        append(&log, 5..=9).await;
        assert_eq!(read(tail.next().await.expect("endless")), Err(9));
        append(&log, 10..=10).await;
        assert_eq!(
            read(tail.next().await.expect("endless")),
            Ok(vec![(10, KeyValue::Integer(10))])
        );
    }

    #[tokio::test]
    async fn a_tail_ends_with_its_log() {
        let log = MemoryLog::new(4);
        let mut tail = log.tail();
        drop(log);
        assert!(matches!(tail.next().await, Some(Tail::Begin(_))));
        assert!(tail.next().await.is_none());
    }
}
