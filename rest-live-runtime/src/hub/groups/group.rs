//! The subscribers of one group.

use std::sync::Arc;

use slab::Slab;

use super::{broadcast_frame::BroadcastFrame, frame_log::FrameLog, subscriber::Subscriber};
use crate::{
    data::group_id::GroupId,
    protocol::{broadcast::GroupName, dialect::Dialect},
};

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<GroupId>,
    /// The names of its keys, as clients write them.
    names: Arc<[&'static str]>,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) subscribers: Slab<Subscriber>,
    pub(crate) log: FrameLog,
    /// Number of subscribers for each dialect.
    dialects: [u32; Dialect::ALL.len()],
}

impl Group {
    pub(crate) fn new(id: GroupId, names: Arc<[&'static str]>, model: Arc<str>) -> Self {
        Self {
            id: Arc::new(id),
            names,
            model,
            subscribers: Slab::new(),
            log: FrameLog::default(),
            dialects: [0; _],
        }
    }

    /// Returns the group as clients name it.
    pub(crate) fn name(&self) -> GroupName<'_> {
        GroupName {
            names: &self.names,
            value: &self.id.value,
        }
    }

    pub(super) fn insert(&mut self, subscriber: Subscriber) -> usize {
        self.dialects[subscriber.dialect as usize] += 1;
        // Most groups have one subscriber, and there may be a million groups.
        self.subscribers
            .reserve_exact(usize::from(self.subscribers.is_empty()));
        self.subscribers.insert(subscriber)
    }

    pub(super) fn remove(&mut self, subscriber: usize) {
        self.drop_queued(subscriber);
        let subscriber = self.subscribers.remove(subscriber);
        self.dialects[subscriber.dialect as usize] -= 1;
    }

    /// Returns the dialects that its subscribers speak.
    pub(super) fn spoken(&self) -> [bool; Dialect::ALL.len()] {
        self.dialects.map(|subscribers| subscribers > 0)
    }

    /// Returns what is queued for a subscriber, oldest first: the event's number, and the frame.
    pub(crate) fn queued(&self, subscriber: usize) -> impl Iterator<Item = (u64, &BroadcastFrame)> {
        self.log.queued(&self.subscribers[subscriber])
    }

    /// Returns the number of the last event that is queued for a subscriber.
    pub(crate) fn last_queued(&self, subscriber: usize) -> Option<u64> {
        self.queued(subscriber).last().map(|(event, _)| event)
    }

    /// Drops what is queued for a subscriber.
    pub(crate) fn drop_queued(&mut self, subscriber: usize) {
        self.log.drop_queued(&mut self.subscribers[subscriber]);
    }
}
