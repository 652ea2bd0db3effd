//! One subscription, as its group knows it.

use std::sync::Arc;

use super::broadcast_frame::{BroadcastFrame, FrameIndex};
use crate::{
    data::serializer_set::SerializerSet,
    hub::{clients::send_queue::QueuedSize, ids::GrantId},
    model::permission::Identity,
    protocol::dialect::Dialect,
};

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

/// What a subscriber has yet to receive.
#[derive(Debug, Default)]
pub(crate) enum Backlog {
    #[default]
    Empty,
    /// Everything in the log from an index on, in the subscriber's dialect.
    From(u64),
    /// These changes.
    Listed(Vec<ListedFrame>),
}

/// The frame of a change that a subscriber may see.
#[derive(Debug)]
pub(crate) struct ListedFrame {
    /// Number of the event in the shard.
    pub(crate) event: u64,
    pub(crate) frames: Arc<[BroadcastFrame]>,
    pub(crate) index: FrameIndex,
}
