//! What the dispatcher asks of a group, and what it publishes to it.

use std::sync::Arc;

use super::{
    broadcast_frame::{BroadcastFrame, FrameByDialect, FrameIndex, Unit},
    subscriber::Subscriber,
};
use crate::{
    data::{group_id::GroupId, scoped_model::ScopedModel, serializer_set::SerializerSet},
    hub::ids::GrantId,
    model::permission::Identity,
    protocol::dialect::Dialect,
};

/// The subscribers whom a change of a group concerns: what is needed to encode it.
#[derive(Debug)]
pub(crate) enum Audience {
    Empty,
    /// All see the same, in these dialects.
    All([bool; Dialect::ALL.len()]),
    Each(Vec<Viewer>),
}

/// A subscriber about whom a permission is asked.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) user: Identity,
    pub(crate) granted: SerializerSet,
    pub(crate) dialect: Dialect,
    subscriber: u32,
    grant: GrantId,
}

/// An event, as a shard's subscribers see it.
#[derive(Debug)]
pub(crate) enum HubEvent {
    Row(Vec<Publication>),
    /// Unknown rows of this model changed.
    Reset(ScopedModel),
    /// More events of a unit follow, in a later publish.
    OpenUnit(Arc<Unit>),
    /// No more events of the open unit follow.
    EndUnit,
}

/// What the subscribers of one group receive for one event.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) group: GroupId,
    pub(crate) frames: Arc<[BroadcastFrame]>,
    pub(crate) delivery: Delivery,
}

/// Which of the frames each subscriber receives.
#[derive(Debug)]
pub(crate) enum Delivery {
    All(FrameByDialect),
    Each(Vec<Recipient>),
}

/// One subscriber who may see a change.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) subscriber: u32,
    pub(crate) grant: GrantId,
    pub(crate) frame: FrameIndex,
}

impl Publication {
    /// Returns the size of the largest frame, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let lengths = self.frames.iter().map(|f| f.frame.bytes().len());
        lengths.max().unwrap_or(0)
    }

    /// Returns how many subscribers were decided about one by one.
    pub(crate) fn recipients(&self) -> usize {
        match &self.delivery {
            Delivery::All(_) => 0,
            Delivery::Each(recipients) => recipients.len(),
        }
    }
}

impl Viewer {
    pub(super) fn new(index: usize, subscriber: &Subscriber) -> Self {
        Self {
            user: subscriber.user.clone(),
            granted: subscriber.granted,
            dialect: subscriber.dialect,
            subscriber: index as u32,
            grant: subscriber.grant,
        }
    }

    /// Returns this subscriber as a recipient of a frame.
    pub(crate) fn receives(&self, frame: FrameIndex) -> Recipient {
        Recipient {
            subscriber: self.subscriber,
            grant: self.grant,
            frame,
        }
    }
}
