//! What this node has to append, in order, until Redis has it.

use std::{collections::VecDeque, mem, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    entry::{EVENT, LOST},
    script::Field,
};

/// The most events that wait.
pub(crate) const MOST_EVENTS: usize = 10_000;
/// The most bytes of them.
pub(crate) const MOST_BYTES: usize = 32 << 20;

/// From so many events or bytes on, a batch takes no further unit: Redis does nothing else meanwhile.
const BATCH_EVENTS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

/// The events of one committed unit, or a mark for events that are lost.
#[derive(Debug)]
struct Unit {
    /// What its first entry is numbered; this node's entries are numbered from 1.
    first: u64,
    content: Content,
    bytes: usize,
    /// Whoever waits for it. Dropped without an answer where it is lost.
    done: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Debug)]
enum Content {
    Events(Arc<[String]>),
    Lost,
}

/// What is appended in one step.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    /// The number of its last entry.
    pub(crate) last: u64,
    units: Vec<Content>,
}

/// The queue of a node. Its entries are numbered without a gap from the first that waits.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    units: VecDeque<Unit>,
    events: usize,
    bytes: usize,
    /// The number of the last entry ever pushed.
    last: u64,
    is_away: bool,
    /// Who waits until nothing waits.
    flushed: Vec<oneshot::Sender<()>>,
}

/// What became of events.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// They wait, and it is told when Redis has them.
    Waiting(oneshot::Receiver<()>),
    /// They wait for a Redis that is away.
    Kept,
    /// They are dropped.
    Dropped(&'static str),
}

impl Queue {
    /// Takes the events of one unit in, unless there are more than can wait. If there is no room for them, all that
    /// waits is dropped: a hole in the order is a hole, however small, and every client fetches again.
    pub(crate) fn push(&mut self, events: Vec<String>) -> Pushed {
        let bytes = events.iter().map(String::len).sum();
        if events.len() > MOST_EVENTS || bytes > MOST_BYTES {
            self.push_lost();
            return Pushed::Dropped("a unit of so many events does not fit the queue");
        }
        if self.events + events.len() > MOST_EVENTS || self.bytes + bytes > MOST_BYTES {
            tracing::error!(
                events = self.events,
                "what waits for Redis is dropped: all subscribers are told to fetch again"
            );
            self.units.clear();
            (self.events, self.bytes) = (0, 0);
            self.push_lost();
        }
        let (done, is_done) = oneshot::channel();
        let done = (!self.is_away).then_some(done);
        let pushed = match done {
            Some(_) => Pushed::Waiting(is_done),
            None => Pushed::Kept,
        };
        self.add(Content::Events(events.into()), bytes, done);
        pushed
    }

    fn push_lost(&mut self) {
        let is_told =
            matches!(self.units.back(), Some(unit) if matches!(unit.content, Content::Lost));
        if !is_told {
            self.add(Content::Lost, 0, None);
        }
    }

    fn add(&mut self, content: Content, bytes: usize, done: Option<oneshot::Sender<()>>) {
        let first = self.last + 1;
        self.last += content.count() as u64;
        self.events += content.count();
        self.bytes += bytes;
        self.units.push_back(Unit {
            first,
            content,
            bytes,
            done,
        });
    }

    /// Returns what is to be appended next, if anything waits. It waits on until [`done`](Self::done).
    pub(crate) fn batch(&self) -> Option<Batch> {
        let (mut events, mut bytes) = (0, 0);
        let units = self.units.iter().take_while(|unit| {
            let is_full = events >= BATCH_EVENTS || bytes >= BATCH_BYTES;
            events += unit.content.count();
            bytes += unit.bytes;
            !is_full
        });
        let units: Vec<_> = units.map(|unit| unit.content.clone()).collect();
        let first = self.units.front()?.first;
        let count: usize = units.iter().map(Content::count).sum();
        Some(Batch {
            first,
            last: first + count as u64 - 1,
            units,
        })
    }

    /// Says that Redis has everything up to a number.
    pub(crate) fn done(&mut self, last: u64) {
        self.is_away = false;
        while let Some(unit) = self.units.pop_front_if(|unit| unit.last() <= last) {
            self.events -= unit.content.count();
            self.bytes -= unit.bytes;
            if let Some(done) = unit.done {
                // Whoever waited may have lost patience.
                _ = done.send(());
            }
        }
        if self.units.is_empty() {
            self.tell_flushed();
        }
    }

    /// Says that Redis is away, and to nobody any more that they should wait. Returns whether that is news.
    pub(crate) fn away(&mut self) -> bool {
        for unit in &mut self.units {
            if let Some(done) = unit.done.take() {
                _ = done.send(());
            }
        }
        !mem::replace(&mut self.is_away, true)
    }

    /// Returns whether Redis is known to be away.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }

    /// Returns what is told when nothing waits.
    pub(crate) fn flushed(&mut self) -> oneshot::Receiver<()> {
        let (flushed, is_flushed) = oneshot::channel();
        self.flushed.push(flushed);
        if self.units.is_empty() {
            self.tell_flushed();
        }
        is_flushed
    }

    fn tell_flushed(&mut self) {
        for flushed in self.flushed.drain(..) {
            _ = flushed.send(());
        }
    }
}

impl Unit {
    fn last(&self) -> u64 {
        self.first + self.content.count() as u64 - 1
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
        self.units.iter().flat_map(|content| {
            let (events, lost) = match content {
                Content::Events(events) => (&events[..], None),
                Content::Lost => (&[][..], Some((LOST, "queue"))),
            };
            events.iter().map(|event| (EVENT, &**event)).chain(lost)
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
        assert_eq!((batch.first, batch.last), (1, 603));
        assert_eq!(batch.entries().count(), 603);
        queue.done(batch.last);
        let batch = queue.batch().expect("something waits");
        assert_eq!((batch.first, batch.last), (604, 605));
        queue.done(batch.last);
        assert!(queue.batch().is_none());
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }

    #[test]
    fn whoever_waits_is_told() {
        let mut queue = Queue::default();
        let Pushed::Waiting(mut first) = queue.push(events(1)) else {
            panic!("Redis is not away")
        };
        let Pushed::Waiting(mut second) = queue.push(events(1)) else {
            panic!("Redis is not away")
        };
        queue.done(1);
        first.try_recv().expect("it is appended");
        second.try_recv().expect_err("it is not");
        assert!(queue.away());
        second.try_recv().expect("Redis is away");
        assert!(!queue.away());
        assert!(matches!(queue.push(events(1)), Pushed::Kept));
        let mut flushed = queue.flushed();
        flushed.try_recv().expect_err("something waits");
        queue.done(3);
        flushed.try_recv().expect("nothing waits");
    }

    #[test]
    fn what_overflows_is_marked() {
        let mut queue = Queue::default();
        let Pushed::Waiting(mut first) = queue.push(events(MOST_EVENTS)) else {
            panic!("Redis is not away")
        };
        assert!(matches!(queue.push(events(1)), Pushed::Waiting(_)));
        assert!(first.try_recv().is_err());
        assert_eq!(fields(&queue), [LOST, EVENT]);
        // An answer to what was dropped says nothing of what came behind.
        queue.done(MOST_EVENTS as u64);
        assert_eq!(fields(&queue), [LOST, EVENT]);
        assert!(matches!(
            queue.push(events(MOST_EVENTS + 1)),
            Pushed::Dropped(_)
        ));
        assert!(matches!(
            queue.push(vec!["e".repeat(MOST_BYTES + 1)]),
            Pushed::Dropped(_)
        ));
        assert_eq!(fields(&queue), [LOST, EVENT, LOST]);
        let last = queue.batch().expect("something waits").last;
        queue.done(last);
        assert_eq!((queue.events, queue.bytes), (0, 0));
    }
}
