//! The frames that a group still has to send, shared by its subscribers.
//!
//! A change is stored once, for any number of subscribers. Each subscriber that has yet to receive
//! it has a position in the log; a change is removed when no subscriber is before it.
//!
//! If a permission decides, each subscriber has its own list of what it may see: in a log, one
//! subscriber that waits would keep every change after it, although it may see few. The frames are
//! shared in both cases.

use std::{collections::VecDeque, mem, sync::Arc};

use super::{
    broadcast_frame::{BroadcastFrame, FrameByDialect},
    subscriber::{Backlog, ListedFrame, Subscriber},
};

#[derive(Debug, Default)]
pub(crate) struct FrameLog {
    entries: VecDeque<Entry>,
    /// Index of the first entry.
    front: u64,
}

/// One change, as all subscribers of a group receive it.
#[derive(Debug)]
struct Entry {
    /// Number of the event in the shard.
    event: u64,
    frames: Arc<[BroadcastFrame]>,
    by_dialect: FrameByDialect,
    /// Number of subscribers that have yet to receive it.
    pending: usize,
}

impl FrameLog {
    /// Returns the index of the next entry.
    pub(crate) fn end(&self) -> u64 {
        self.front + self.entries.len() as u64
    }

    /// Appends a change that `pending` subscribers will receive: every subscriber that is in the
    /// log already, and new ones.
    pub(crate) fn push(
        &mut self,
        event: u64,
        frames: Arc<[BroadcastFrame]>,
        by_dialect: FrameByDialect,
        pending: usize,
    ) {
        self.entries.push_back(Entry {
            event,
            frames,
            by_dialect,
            pending,
        });
    }

    /// Returns what is queued for a subscriber, oldest first: the event's number, and the frame.
    pub(super) fn queued<'l>(
        &'l self,
        subscriber: &'l Subscriber,
    ) -> impl Iterator<Item = (u64, &'l BroadcastFrame)> {
        let (from, listed) = match &subscriber.backlog {
            Backlog::Empty => (self.end(), &[][..]),
            Backlog::From(index) => (*index, &[][..]),
            Backlog::Listed(listed) => (self.end(), &listed[..]),
        };
        let dialect = subscriber.dialect as usize;
        let entries = self.entries.range((from - self.front) as usize..);
        let logged = entries.filter_map(move |entry| {
            let index = entry.by_dialect[dialect]?;
            Some((entry.event, &entry.frames[usize::from(index)]))
        });
        let listed = listed
            .iter()
            .map(|listed| (listed.event, &listed.frames[usize::from(listed.index)]));
        logged.chain(listed)
    }

    /// Empties the backlog of a subscriber, and removes what no subscriber has yet to receive.
    pub(crate) fn drop_queued(&mut self, subscriber: &mut Subscriber) {
        if let Backlog::From(index) = mem::take(&mut subscriber.backlog) {
            let queued = self.entries.range_mut((index - self.front) as usize..);
            queued.for_each(|entry| entry.pending -= 1);
            while self
                .entries
                .pop_front_if(|entry| entry.pending == 0)
                .is_some()
            {
                self.front += 1;
            }
        }
    }

    /// Keeps the backlog of a subscriber as it is: it does not receive what is appended next.
    pub(crate) fn detach(&mut self, subscriber: &mut Subscriber) {
        if let Backlog::From(index) = subscriber.backlog {
            let entries = self.entries.range((index - self.front) as usize..);
            let listed = entries.filter_map(|entry| {
                Some(ListedFrame {
                    event: entry.event,
                    frames: Arc::clone(&entry.frames),
                    index: entry.by_dialect[subscriber.dialect as usize]?,
                })
            });
            let listed = listed.collect();
            self.drop_queued(subscriber);
            subscriber.backlog = Backlog::Listed(listed);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
