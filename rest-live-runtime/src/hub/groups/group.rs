//! The subscribers of one group.

use std::sync::Arc;

use slab::Slab;

use super::frame_log::{Backlog, BroadcastFrame, FrameLog};
use crate::{
    data::{group_id::GroupId, serializer_set::SerializerSet},
    hub::{clients::send_queue::QueuedSize, ids::GrantId},
    model::permission::Identity,
    protocol::{broadcast::GroupName, dialect::Dialect},
};

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<GroupId>,
    /// Name of the group key, as clients write it.
    key: &'static str,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) subscribers: Slab<Subscriber>,
    pub(crate) log: FrameLog,
    /// Number of subscribers for each dialect.
    dialects: [u32; Dialect::ALL.len()],
}

/// One subscription, as its group knows it.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Index of its client in the shard.
    pub(crate) client: usize,
    pub(crate) dialect: Dialect,
    pub(crate) user: Identity,
    pub(crate) granted: SerializerSet,
    /// Changes when it is granted other serializers.
    pub(crate) grant: GrantId,
    /// Events up to this position of the event log are not sent.
    pub(crate) min_position: u64,
    /// Events up to this number of the shard are not sent: the dispatcher had begun them already.
    pub(crate) min_event: u64,
    /// Number of frames for one change: one for each id in 0.7.
    pub(crate) frames_per_change: usize,
    pub(crate) backlog: Backlog,
}

impl Subscriber {
    /// Returns how much a frame of this length adds to the client's queue.
    pub(crate) fn queued_size(&self, bytes: usize) -> QueuedSize {
        QueuedSize {
            messages: self.frames_per_change,
            bytes: self.frames_per_change * bytes,
        }
    }

    /// Returns whether it started before an event.
    pub(crate) fn receives(&self, position: u64, event: u64) -> bool {
        position > self.min_position && event > self.min_event
    }
}

impl Group {
    pub(crate) fn new(id: GroupId, key: &'static str, model: Arc<str>) -> Self {
        Self {
            id: Arc::new(id),
            key,
            model,
            subscribers: Slab::new(),
            log: FrameLog::default(),
            dialects: [0; _],
        }
    }

    /// Returns the group as clients name it.
    pub(crate) fn name(&self) -> GroupName<'_> {
        GroupName {
            key: self.key,
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
