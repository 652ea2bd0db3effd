//! The events that a node has yet to append, in order.

use std::{collections::VecDeque, mem, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    entry::{EVENT_FIELD, LOST_FIELD},
    script::Field,
};

/// Maximum number of events in the queue.
pub(crate) const MAX_EVENTS: usize = 10_000;
/// Maximum size of the events in the queue, unless `LiveBuilder::memory_budget` sets another.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// A batch takes no further append once it has this many events or bytes. Redis serves no other
/// command while it appends a batch.
const TARGET_BATCH_EVENTS: usize = 500;
const TARGET_BATCH_BYTES: usize = 1 << 20;

/// The events of one append, which stay together, or a mark for lost events.
#[derive(Debug)]
struct QueuedAppend {
    /// The number of its first entry. The entries of a node are numbered from 1.
    first_number: u64,
    content: Content,
    bytes: usize,
    /// Notifies the waiting caller. It is dropped without a message if the events are lost.
    acknowledged: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Debug)]
enum Content {
    Events(Arc<[String]>),
    Lost,
}

/// The appends that one command sends to Redis.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) first_number: u64,
    /// The number of its last entry.
    pub(crate) last_number: u64,
    appends: Vec<Content>,
}

/// The queue of a node. Its entries are numbered without a gap from the first one in the queue.
#[derive(Debug)]
pub(crate) struct Queue {
    appends: VecDeque<QueuedAppend>,
    events: usize,
    bytes: usize,
    max_bytes: usize,
    /// The number of the last entry that was ever pushed.
    last_number: u64,
    /// The number of the last entry that a batch had. Redis may have it already.
    last_sent: u64,
    is_unavailable: bool,
    /// Callers that wait until Redis has the entries up to a number.
    flush_waiters: Vec<(u64, oneshot::Sender<()>)>,
}

/// The outcome of a push.
#[derive(Debug)]
pub(crate) enum PushOutcome {
    /// The events are queued, and the receiver is notified when Redis has them.
    Waiting(oneshot::Receiver<()>),
    /// The events are queued, but Redis is unavailable.
    Queued,
    /// The events are dropped, for this reason.
    Dropped(String),
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            appends: VecDeque::new(),
            events: 0,
            bytes: 0,
            max_bytes: MAX_BYTES,
            last_number: 0,
            last_sent: 0,
            is_unavailable: false,
            flush_waiters: Vec::new(),
        }
    }
}

impl Queue {
    /// Sets the maximum size of the events in the queue. Events that are queued already stay.
    pub(crate) fn set_max_bytes(&mut self, bytes: usize) {
        self.max_bytes = bytes;
    }

    /// Queues the events of one append, unless they alone exceed the limits. A single event may
    /// have any size. If the queue has no room for the events, everything in it is dropped. A gap
    /// of any size makes every client fetch again, so keeping a part would gain nothing.
    pub(crate) fn push(&mut self, events: Vec<String>) -> PushOutcome {
        let bytes = events.iter().map(String::len).sum();
        if events.len() > MAX_EVENTS || events.len() > 1 && bytes > self.max_bytes {
            self.push_lost();
            return PushOutcome::Dropped(format!(
                "one append of {} events and {bytes} bytes is larger than the queue for Redis \
                 ({MAX_EVENTS} events, {} bytes): split the transaction, or raise \
                 LiveBuilder::memory_budget",
                events.len(),
                self.max_bytes,
            ));
        }
        let has_no_room = self.bytes > 0 && self.bytes + bytes > self.max_bytes;
        if self.events + events.len() > MAX_EVENTS || has_no_room {
            tracing::error!(
                events = self.events,
                "the queue for Redis overflowed, and all queued events were dropped: all \
                 subscribers receive a reset when Redis is back"
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
        // A mark that Redis may have does not cover this loss.
        let is_marked = self.appends.back().is_some_and(|append| {
            matches!(append.content, Content::Lost) && append.first_number > self.last_sent
        });
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

    /// Returns the next batch, or `None` if the queue is empty. The batch stays in the queue until
    /// it is [acknowledged](Self::acknowledge).
    pub(crate) fn batch(&mut self) -> Option<Batch> {
        let (mut events, mut bytes) = (0, 0);
        let appends: Vec<_> = self
            .appends
            .iter()
            .take_while(|append| {
                let is_full = events >= TARGET_BATCH_EVENTS || bytes >= TARGET_BATCH_BYTES;
                events += append.content.count();
                bytes += append.bytes;
                !is_full
            })
            .map(|append| append.content.clone())
            .collect();
        let first_number = self.appends.front()?.first_number;
        let count: usize = appends.iter().map(Content::count).sum();
        let last_number = first_number + count as u64 - 1;
        self.last_sent = self.last_sent.max(last_number);
        Some(Batch {
            first_number,
            last_number,
            appends,
        })
    }

    /// Removes the entries up to a number, which Redis now has, and notifies their callers.
    pub(crate) fn acknowledge(&mut self, last_number: u64) {
        self.is_unavailable = false;
        while let Some(append) = self
            .appends
            .pop_front_if(|append| append.last_number() <= last_number)
        {
            self.events -= append.content.count();
            self.bytes -= append.bytes;
            if let Some(sender) = append.acknowledged {
                // The caller may have timed out.
                _ = sender.send(());
            }
        }
        self.notify_flushed();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.appends.is_empty()
    }

    /// Returns whether the queue is not empty, but will be after an entry is
    /// [acknowledged](Self::acknowledge).
    pub(crate) fn ends_at(&self, last_number: u64) -> bool {
        let last = self.appends.back();
        last.is_some_and(|append| append.last_number() <= last_number)
    }

    /// Records that Redis is unavailable and releases all waiting callers. Returns whether Redis
    /// was available until now.
    pub(crate) fn mark_unavailable(&mut self) -> bool {
        for append in &mut self.appends {
            if let Some(sender) = append.acknowledged.take() {
                _ = sender.send(());
            }
        }
        !mem::replace(&mut self.is_unavailable, true)
    }

    /// Returns whether Redis is known to be unavailable.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.is_unavailable
    }

    /// Returns a receiver that is notified when Redis has everything that is in the queue now.
    pub(crate) fn flushed(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.flush_waiters.push((self.last_number, sender));
        self.notify_flushed();
        receiver
    }

    fn notify_flushed(&mut self) {
        let first = self.appends.front().map(|append| append.first_number);
        let is_flushed = |number: u64| first.is_none_or(|first| number < first);
        let flushed = self.flush_waiters.extract_if(.., |(number, sender)| {
            is_flushed(*number) || sender.is_closed()
        });
        for (_, sender) in flushed {
            // The caller may have timed out.
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
    /// Returns the entries of the batch, in order.
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

    fn fields(queue: &mut Queue) -> Vec<&'static str> {
        let batch = queue.batch().expect("the queue is not empty");
        batch.entries().map(|(field, _)| field).collect()
    }

    #[test]
    fn batches_never_split_an_append() {
        let mut queue = Queue::default();
        assert!(queue.batch().is_none());
        for count in [3, 600, 2] {
            queue.push(events(count));
        }
        let batch = queue.batch().expect("the queue is not empty");
        assert_eq!((batch.first_number, batch.last_number), (1, 603));
        assert_eq!(batch.entries().count(), 603);
        queue.acknowledge(batch.last_number);
        let batch = queue.batch().expect("the queue is not empty");
        assert_eq!((batch.first_number, batch.last_number), (604, 605));
        queue.acknowledge(batch.last_number);
        assert!(queue.batch().is_none());
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }

    #[test]
    fn waiting_appends_are_acknowledged() {
        let mut queue = Queue::default();
        let PushOutcome::Waiting(mut first) = queue.push(events(1)) else {
            panic!("Redis is available")
        };
        let PushOutcome::Waiting(mut second) = queue.push(events(1)) else {
            panic!("Redis is available")
        };
        queue.acknowledge(1);
        first.try_recv().expect("it is appended");
        second.try_recv().expect_err("it is not");
        assert!(queue.mark_unavailable());
        second.try_recv().expect("Redis is unavailable");
        assert!(!queue.mark_unavailable());
        assert!(matches!(queue.push(events(1)), PushOutcome::Queued));
        let mut flushed = queue.flushed();
        flushed.try_recv().expect_err("the queue is not empty");
        queue.acknowledge(3);
        flushed.try_recv().expect("the queue is empty");
    }

    #[test]
    fn overflow_is_marked_as_lost() {
        let mut queue = Queue::default();
        let PushOutcome::Waiting(mut first) = queue.push(events(MAX_EVENTS)) else {
            panic!("Redis is available")
        };
        assert!(matches!(queue.push(events(1)), PushOutcome::Waiting(_)));
        assert!(first.try_recv().is_err());
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD]);
        // A late acknowledgment of dropped entries does not cover the later ones.
        queue.acknowledge(MAX_EVENTS as u64);
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD]);
        assert!(matches!(
            queue.push(events(MAX_EVENTS + 1)),
            PushOutcome::Dropped(_)
        ));
        assert!(matches!(
            queue.push(vec!["e".repeat(MAX_BYTES), "e".to_owned()]),
            PushOutcome::Dropped(_)
        ));
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD, LOST_FIELD]);
        let last = queue.batch().expect("the queue is not empty").last_number;
        queue.acknowledge(last);
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }

    #[test]
    fn memory_budget_bounds_the_queue() {
        let mut queue = Queue::default();
        queue.set_max_bytes(10 * "event".len());
        queue.push(events(6));
        queue.push(events(4));
        assert_eq!(fields(&mut queue), [EVENT_FIELD; 10]);
        queue.push(events(1));
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD]);
        let PushOutcome::Dropped(reason) = queue.push(events(11)) else {
            panic!("it is larger than the queue")
        };
        assert!(reason.contains("50 bytes"), "{reason}");
        // The events that are queued stay, and no more fit.
        queue.set_max_bytes(0);
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD, LOST_FIELD]);
        assert!(matches!(queue.push(events(2)), PushOutcome::Dropped(_)));
    }

    #[test]
    fn single_event_may_exceed_the_budget() {
        let mut queue = Queue::default();
        queue.set_max_bytes(1);
        assert!(matches!(queue.push(events(1)), PushOutcome::Waiting(_)));
        assert_eq!(fields(&mut queue), [EVENT_FIELD]);
        assert!(matches!(queue.push(events(1)), PushOutcome::Waiting(_)));
        assert_eq!(fields(&mut queue), [LOST_FIELD, EVENT_FIELD]);
    }

    #[test]
    fn loss_after_a_sent_mark_is_marked_again() {
        let mut queue = Queue::default();
        for _ in 0..2 {
            queue.push(events(MAX_EVENTS + 1));
        }
        // Redis may append this mark, although its reply is lost.
        assert_eq!(fields(&mut queue), [LOST_FIELD]);
        for _ in 0..2 {
            queue.push(events(MAX_EVENTS + 1));
        }
        assert_eq!(fields(&mut queue), [LOST_FIELD; 2]);
    }
}
