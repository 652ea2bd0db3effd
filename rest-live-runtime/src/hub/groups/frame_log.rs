//! What the members of one group are told, where all see the same.
//!
//! A change is in the log once, however many it is for; each member that is to be told has its own place in it, and what
//! nobody waits for any more is taken off the front. Where a permission decides, each member has a list of what it may see,
//! for a log would keep what lies between: the frames are shared all the same.

use std::{collections::VecDeque, mem, sync::Arc};

use super::group::Subscriber;
use crate::protocol::{dialect::Dialect, frame::Frame};

#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// Index of the front.
    front: u64,
}

/// One change, as all members of a group are told.
#[derive(Debug)]
struct Entry {
    /// Number of the event in the shard.
    event: u64,
    told: Arc<[Told]>,
    by_dialect: ByDialect,
    /// How many members it waits for.
    waiting: usize,
}

/// What waits for a member.
#[derive(Debug, Default)]
pub(crate) enum Waits {
    #[default]
    Nothing,
    /// All of the log from an index on, each by the frame of the member's dialect.
    From(u64),
    /// These.
    Listed(Vec<Listed>),
}

/// What a member may see of a change.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Number of the event in the shard.
    pub(crate) event: u64,
    pub(crate) told: Arc<[Told]>,
    pub(crate) pick: Pick,
}

/// A frame of a change.
#[derive(Debug)]
pub(crate) struct Told {
    /// Of 0.7 what follows the id.
    pub(crate) frame: Frame,
    /// Whether the row disappears by it, so that it goes before what else the event brings.
    pub(crate) removes: bool,
}

/// Which frame of a change.
pub(crate) type Pick = u16;

/// For each dialect, the frame; `None` where there is none to be told.
pub(crate) type ByDialect = [Option<Pick>; Dialect::ALL.len()];

impl Log {
    /// Returns the index of what is appended next.
    pub(crate) fn end(&self) -> u64 {
        self.front + self.entries.len() as u64
    }

    /// Appends a change that so many members wait for: all who wait for what is there already, and others.
    pub(crate) fn push(
        &mut self,
        event: u64,
        told: Arc<[Told]>,
        by_dialect: ByDialect,
        waiting: usize,
    ) {
        self.entries.push_back(Entry {
            event,
            told,
            by_dialect,
            waiting,
        });
    }

    /// Returns what waits for a member, oldest first: the event, and the frame.
    pub(crate) fn waiting<'l>(
        &'l self,
        member: &'l Subscriber,
    ) -> impl Iterator<Item = (u64, &'l Told)> {
        let (from, listed) = match &member.waits {
            Waits::Nothing => (self.end(), &[][..]),
            Waits::From(index) => (*index, &[][..]),
            Waits::Listed(listed) => (self.end(), &listed[..]),
        };
        let dialect = member.dialect as usize;
        let entries = self.entries.range((from - self.front) as usize..);
        let logged = entries.filter_map(move |entry| {
            let pick = entry.by_dialect[dialect]?;
            Some((entry.event, &entry.told[usize::from(pick)]))
        });
        let listed = listed.iter();
        logged.chain(listed.map(|listed| (listed.event, &listed.told[usize::from(listed.pick)])))
    }

    /// Has nothing wait for a member any more, and drops what waits for nobody.
    pub(crate) fn drop_waiting(&mut self, member: &mut Subscriber) {
        if let Waits::From(index) = mem::take(&mut member.waits) {
            let waiting = self.entries.range_mut((index - self.front) as usize..);
            waiting.for_each(|entry| entry.waiting -= 1);
            while self
                .entries
                .pop_front_if(|entry| entry.waiting == 0)
                .is_some()
            {
                self.front += 1;
            }
        }
    }

    /// Has a member wait for what there is, and not for what is appended.
    pub(crate) fn detach(&mut self, member: &mut Subscriber) {
        if let Waits::From(index) = member.waits {
            let entries = self.entries.range((index - self.front) as usize..);
            let listed = entries.filter_map(|entry| {
                Some(Listed {
                    event: entry.event,
                    told: Arc::clone(&entry.told),
                    pick: entry.by_dialect[member.dialect as usize]?,
                })
            });
            let listed = listed.collect();
            self.drop_waiting(member);
            member.waits = Waits::Listed(listed);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
