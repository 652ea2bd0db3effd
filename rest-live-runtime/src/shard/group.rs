//! The subscribers of one group.

use std::sync::Arc;

use slab::Slab;

use super::{
    log::{Log, Told, Waits},
    outbox::Amount,
};
use crate::{change::Granted, dialect::Dialect, group::GroupKey, permission::Identity};

/// Number of a subscription of this shard, or of what one was granted last; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(pub(super) u64);

#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Arc<GroupKey>,
    /// Label of the model.
    pub(super) model: Arc<str>,
    pub(super) members: Slab<Member>,
    pub(super) log: Log,
    /// How many members speak each dialect.
    dialects: [u32; Dialect::ALL.len()],
}

/// One subscription, as its group knows it.
#[derive(Debug)]
pub(super) struct Member {
    /// The place of its session in the shard.
    pub(super) peer: usize,
    pub(super) dialect: Dialect,
    pub(super) user: Identity,
    pub(super) granted: Granted,
    /// Of what it was granted last.
    pub(super) grant: Serial,
    /// What happened up to this position of the event log is not its business.
    pub(super) after: u64,
    /// Nor what the dispatcher had begun to hand out, up to this event of the shard.
    pub(super) behind: u64,
    /// How many frames it gets of one change: one for each id in 0.7.
    pub(super) times: usize,
    pub(super) waits: Waits,
}

impl Member {
    /// Returns how much it is told by a frame of so many bytes.
    pub(super) fn amount(&self, bytes: usize) -> Amount {
        Amount {
            messages: self.times,
            bytes: self.times * bytes,
        }
    }
}

impl Group {
    pub(super) fn new(key: GroupKey, model: Arc<str>) -> Self {
        Self {
            key: Arc::new(key),
            model,
            members: Slab::new(),
            log: Log::default(),
            dialects: [0; _],
        }
    }

    pub(super) fn insert(&mut self, member: Member) -> usize {
        self.dialects[member.dialect as usize] += 1;
        // Most groups of a million have one.
        self.members
            .reserve_exact(usize::from(self.members.is_empty()));
        self.members.insert(member)
    }

    pub(super) fn remove(&mut self, member: usize) -> Member {
        self.drop_waiting(member);
        let member = self.members.remove(member);
        self.dialects[member.dialect as usize] -= 1;
        member
    }

    /// Returns the dialects that its members speak.
    pub(super) fn spoken(&self) -> [bool; Dialect::ALL.len()] {
        self.dialects.map(|members| members > 0)
    }

    /// Returns what waits for a member, oldest first: the event, and the frame.
    pub(super) fn waiting(&self, member: usize) -> impl Iterator<Item = (u64, &Told)> {
        self.log.waiting(&self.members[member])
    }

    /// Returns the event of the last that waits for a member.
    pub(super) fn last_waiting(&self, member: usize) -> Option<u64> {
        self.waiting(member).last().map(|(event, _)| event)
    }

    /// Has nothing wait for a member any more.
    pub(super) fn drop_waiting(&mut self, member: usize) {
        self.log.drop_waiting(&mut self.members[member]);
    }
}
