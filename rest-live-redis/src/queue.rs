//! What this node has to append, in order, until Redis has it.

use std::{collections::VecDeque, mem, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    entry::{EVENT_FIELD, LOST_FIELD},
    script::Field,
};

/// The most events that wait.
pub(crate) const MAX_EVENTS: usize = 10_000;
/// The most bytes of them.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// From so many events or bytes on, a batch takes no further unit: Redis does nothing else meanwhile.
const TARGET_BATCH_EVENTS: usize = 500;
const TARGET_BATCH_BYTES: usize = 1 << 20;

/// The events of one committed unit, or a mark for events that are lost.
#[derive(Debug)]
struct QueuedAppend {
    /// What its first entry is numbered; this node's entries are numbered from 1.
    first_number: u64,
    content: Content,
    bytes: usize,
    /// Whoever waits for it. Dropped without an answer where it is lost.
    acknowledged: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Debug)]
enum Content {
    Events(Arc<[String]>),
    Lost,
}

/// What is appended in one step.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) first_number: u64,
    /// The number of its last entry.
    pub(crate) last_number: u64,
    appends: Vec<Content>,
}

/// The queue of a node. Its entries are numbered without a gap from the first that waits.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    appends: VecDeque<QueuedAppend>,
    events: usize,
    bytes: usize,
    /// The number of the last entry ever pushed.
    last_number: u64,
    is_unavailable: bool,
    /// Who waits until nothing waits.
    flush_waiters: Vec<oneshot::Sender<()>>,
}

/// What became of events.
#[derive(Debug)]
pub(crate) enum PushOutcome {
    /// They wait, and it is told when Redis has them.
    Waiting(oneshot::Receiver<()>),
    /// They wait for a Redis that is away.
    Queued,
    /// They are dropped.
    Dropped(&'static str),
}

impl Queue {
    /// Takes the events of one unit in, unless there are more than can wait. If there is no room for them, all that
    /// waits is dropped: a hole in the order is a hole, however small, and every client fetches again.
    pub(crate) fn push(&mut self, events: Vec<String>) -> PushOutcome {
        let bytes = events.iter().map(String::len).sum();
        if events.len() > MAX_EVENTS || bytes > MAX_BYTES {
            self.push_lost();
            return PushOutcome::Dropped("a unit of so many events does not fit the queue");
        }
        if self.events + events.len() > MAX_EVENTS || self.bytes + bytes > MAX_BYTES {
            tracing::error!(
                events = self.events,
                "what waits for Redis is dropped: all subscribers are told to fetch again"
            );
            self.appends.clear();
            (self.events, self.bytes) = (0, 0);
            self.push_lost();
        }
        let (sender, receiver) = oneshot::channel();
        let acknowledged = (!self.is_unavailable).then_some(sender);
        let outcome = match acknowledged {
            Some(_) => PushOutcome::Waiting(receiver),
            None => PushOutcome::Queued,
        };
        self.add(Content::Events(events.into()), bytes, acknowledged);
        outcome
    }

    fn push_lost(&mut self) {
        let is_marked =
            matches!(self.appends.back(), Some(append) if matches!(append.content, Content::Lost));
        if !is_marked {
            self.add(Content::Lost, 0, None);
        }
    }

    fn add(&mut self, content: Content, bytes: usize, acknowledged: Option<oneshot::Sender<()>>) {
        let first_number = self.last_number + 1;
        self.last_number += content.count() as u64;
        self.events += content.count();
        self.bytes += bytes;
        self.appends.push_back(QueuedAppend {
            first_number,
            content,
            bytes,
            acknowledged,
        });
    }

    /// Returns what is to be appended next, if anything waits. It waits on until [`acknowledge`](Self::acknowledge).
    pub(crate) fn batch(&self) -> Option<Batch> {
        let (mut events, mut bytes) = (0, 0);
        let appends = self.appends.iter().take_while(|append| {
            let is_full = events >= TARGET_BATCH_EVENTS || bytes >= TARGET_BATCH_BYTES;
            events += append.content.count();
            bytes += append.bytes;
            !is_full
        });
        let appends: Vec<_> = appends.map(|append| append.content.clone()).collect();
        let first_number = self.appends.front()?.first_number;
        let count: usize = appends.iter().map(Content::count).sum();
        Some(Batch {
            first_number,
            last_number: first_number + count as u64 - 1,
            appends,
        })
    }

    /// Says that Redis has everything up to a number.
    pub(crate) fn acknowledge(&mut self, last_number: u64) {
        self.is_unavailable = false;
        while let Some(append) = self
            .appends
            .pop_front_if(|append| append.last_number() <= last_number)
        {
            self.events -= append.content.count();
            self.bytes -= append.bytes;
            if let Some(sender) = append.acknowledged {
                // Whoever waited may have lost patience.
                _ = sender.send(());
            }
        }
        if self.appends.is_empty() {
            self.notify_flushed();
        }
    }

    /// Says that Redis is away, and to nobody any more that they should wait. Returns whether that is news.
    pub(crate) fn mark_unavailable(&mut self) -> bool {
        for append in &mut self.appends {
            if let Some(sender) = append.acknowledged.take() {
                _ = sender.send(());
            }
        }
        !mem::replace(&mut self.is_unavailable, true)
    }

    /// Returns whether Redis is known to be away.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.is_unavailable
    }

    /// Returns what is told when nothing waits.
    pub(crate) fn flushed(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.flush_waiters.push(sender);
        if self.appends.is_empty() {
            self.notify_flushed();
        }
        receiver
    }

    fn notify_flushed(&mut self) {
        for sender in self.flush_waiters.drain(..) {
            _ = sender.send(());
        }
    }
}

impl QueuedAppend {
    fn last_number(&self) -> u64 {
        self.first_number + self.content.count() as u64 - 1
    }
}

impl Content {
    fn count(&self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Lost => 1,
        }
    }
}

impl Batch {
    /// Returns its entries, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Field<'_>> {
        self.appends.iter().flat_map(|content| {
            let (events, lost) = match content {
                Content::Events(events) => (&events[..], None),
                Content::Lost => (&[][..], Some((LOST_FIELD, "queue"))),
            };
            events
                .iter()
                .map(|event| (EVENT_FIELD, &**event))
                .chain(lost)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: usize) -> Vec<String> {
        vec!["event".to_owned(); count]
    }

    fn fields(queue: &Queue) -> Vec<&'static str> {
        let batch = queue.batch().expect("something waits");
        batch.entries().map(|(field, _)| field).collect()
    }

    #[test]
    fn units_stay_whole_and_are_numbered_on() {
        let mut queue = Queue::default();
        assert!(queue.batch().is_none());
        for count in [3, 600, 2] {
            queue.push(events(count));
        }
        let batch = queue.batch().expect("something waits");
        assert_eq!((batch.first_number, batch.last_number), (1, 603));
        assert_eq!(batch.entries().count(), 603);
        queue.acknowledge(batch.last_number);
        let batch = queue.batch().expect("something waits");
        assert_eq!((batch.first_number, batch.last_number), (604, 605));
        queue.acknowledge(batch.last_number);
        assert!(queue.batch().is_none());
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }

    #[test]
    fn whoever_waits_is_told() {
        let mut queue = Queue::default();
        let PushOutcome::Waiting(mut first) = queue.push(events(1)) else {
            panic!("Redis is not away")
        };
        let PushOutcome::Waiting(mut second) = queue.push(events(1)) else {
            panic!("Redis is not away")
        };
        queue.acknowledge(1);
        first.try_recv().expect("it is appended");
        second.try_recv().expect_err("it is not");
        assert!(queue.mark_unavailable());
        second.try_recv().expect("Redis is away");
        assert!(!queue.mark_unavailable());
        assert!(matches!(queue.push(events(1)), PushOutcome::Queued));
        let mut flushed = queue.flushed();
        flushed.try_recv().expect_err("something waits");
        queue.acknowledge(3);
        flushed.try_recv().expect("nothing waits");
    }

    #[test]
    fn what_overflows_is_marked() {
        let mut queue = Queue::default();
        let PushOutcome::Waiting(mut first) = queue.push(events(MAX_EVENTS)) else {
            panic!("Redis is not away")
        };
        assert!(matches!(queue.push(events(1)), PushOutcome::Waiting(_)));
        assert!(first.try_recv().is_err());
        assert_eq!(fields(&queue), [LOST_FIELD, EVENT_FIELD]);
        // An answer to what was dropped says nothing of what came behind.
        queue.acknowledge(MAX_EVENTS as u64);
        assert_eq!(fields(&queue), [LOST_FIELD, EVENT_FIELD]);
        assert!(matches!(
            queue.push(events(MAX_EVENTS + 1)),
            PushOutcome::Dropped(_)
        ));
        assert!(matches!(
            queue.push(vec!["e".repeat(MAX_BYTES + 1)]),
            PushOutcome::Dropped(_)
        ));
        assert_eq!(fields(&queue), [LOST_FIELD, EVENT_FIELD, LOST_FIELD]);
        let last = queue.batch().expect("something waits").last_number;
        queue.acknowledge(last);
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }
}
