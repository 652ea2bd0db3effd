//! The subscribers of one group.

use std::sync::Arc;

use slab::Slab;

use super::frame_log::{Log, Told, Waits};
use crate::{
    data::{granted::Granted, group_id::GroupId},
    hub::clients::send_queue::Amount,
    model::permission::Identity,
    protocol::dialect::Dialect,
};

/// Number of a subscription of this shard, or of what one was granted last; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Arc<GroupId>,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) members: Slab<Subscriber>,
    pub(crate) log: Log,
    /// How many members speak each dialect.
    dialects: [u32; Dialect::ALL.len()],
}

/// One subscription, as its group knows it.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// The place of its session in the shard.
    pub(crate) peer: usize,
    pub(crate) dialect: Dialect,
    pub(crate) user: Identity,
    pub(crate) granted: Granted,
    /// Of what it was granted last.
    pub(crate) grant: Serial,
    /// What happened up to this position of the event log is not its business.
    pub(crate) after: u64,
    /// Nor what the dispatcher had begun to hand out, up to this event of the shard.
    pub(crate) behind: u64,
    /// How many frames it gets of one change: one for each id in 0.7.
    pub(crate) times: usize,
    pub(crate) waits: Waits,
}

impl Subscriber {
    /// Returns how much it is told by a frame of so many bytes.
    pub(crate) fn amount(&self, bytes: usize) -> Amount {
        Amount {
            messages: self.times,
            bytes: self.times * bytes,
        }
    }
}

impl Group {
    pub(crate) fn new(key: GroupId, model: Arc<str>) -> Self {
        Self {
            key: Arc::new(key),
            model,
            members: Slab::new(),
            log: Log::default(),
            dialects: [0; _],
        }
    }

    pub(crate) fn insert(&mut self, member: Subscriber) -> usize {
        self.dialects[member.dialect as usize] += 1;
        // Most groups of a million have one.
        self.members
            .reserve_exact(usize::from(self.members.is_empty()));
        self.members.insert(member)
    }

    pub(crate) fn remove(&mut self, member: usize) -> Subscriber {
        self.drop_waiting(member);
        let member = self.members.remove(member);
        self.dialects[member.dialect as usize] -= 1;
        member
    }

    /// Returns the dialects that its members speak.
    pub(crate) fn spoken(&self) -> [bool; Dialect::ALL.len()] {
        self.dialects.map(|members| members > 0)
    }

    /// Returns what waits for a member, oldest first: the event, and the frame.
    pub(crate) fn waiting(&self, member: usize) -> impl Iterator<Item = (u64, &Told)> {
        self.log.waiting(&self.members[member])
    }

    /// Returns the event of the last that waits for a member.
    pub(crate) fn last_waiting(&self, member: usize) -> Option<u64> {
        self.waiting(member).last().map(|(event, _)| event)
    }

    /// Has nothing wait for a member any more.
    pub(crate) fn drop_waiting(&mut self, member: usize) {
        self.log.drop_waiting(&mut self.members[member]);
    }
}
