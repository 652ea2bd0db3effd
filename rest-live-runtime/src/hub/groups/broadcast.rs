//! What the dispatcher does: it asks who is concerned, and appends what they are told.

use std::{hint::black_box, sync::Arc};

use super::{
    frame_log::{ByDialect, Listed, Pick, Told, Waits},
    group::{Group, Serial, Subscriber},
};
use crate::{
    data::{
        cursor::{Cursor, EventPosition},
        granted::Granted,
        group_id::GroupId,
    },
    hub::{clients::client::Place, shard::State},
    model::permission::Identity,
    protocol::dialect::Dialect,
};

/// Who is concerned by a change of a group: as much as it takes to encode it.
#[derive(Debug)]
pub(crate) enum Audience {
    Nobody,
    /// Who speaks these dialects; all see the same.
    All([bool; Dialect::ALL.len()]),
    Each(Vec<Viewer>),
}

/// A subscriber who may see something of a change.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) user: Identity,
    pub(crate) granted: Granted,
    pub(crate) dialect: Dialect,
    member: u32,
    grant: Serial,
}

/// What an event is to the subscribers of a shard.
pub(crate) enum HubEvent {
    Row(Vec<Publication>),
    /// Rows of the model with this label changed that are not known.
    Reset(Arc<str>),
}

/// What the subscribers of one group are told of one event.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) group: GroupId,
    pub(crate) told: Arc<[Told]>,
    pub(crate) to: To,
}

impl Publication {
    /// Returns how many bytes a subscriber is told at most.
    pub(crate) fn bytes(&self) -> usize {
        let lengths = self.told.iter().map(|told| told.frame.bytes().len());
        lengths.max().unwrap_or(0)
    }

    /// Returns how many subscribers were asked about one by one.
    pub(crate) fn seen(&self) -> usize {
        match &self.to {
            To::All(_) => 0,
            To::Each(seen) => seen.len(),
        }
    }
}

/// Who is told what.
#[derive(Debug)]
pub(crate) enum To {
    All(ByDialect),
    Each(Vec<Recipient>),
}

/// What one subscriber may see.
#[derive(Debug)]
pub(crate) struct Recipient {
    member: u32,
    grant: Serial,
    pick: Pick,
}

impl Viewer {
    pub(crate) fn sees(&self, pick: Pick) -> Recipient {
        Recipient {
            member: self.member,
            grant: self.grant,
            pick,
        }
    }
}

/// Users lie all over the memory. So many are looked at before the first is counted: the processor fetches them side by
/// side then, and not one after the other.
const TOGETHER: usize = 32;

impl State {
    /// Takes note that what happened up to a cursor is being handed out: a batch with a number, and some events.
    pub(crate) fn dispatching(&mut self, cursor: &Cursor, turn: u64, events: usize) {
        self.dispatched = Some(cursor.clone());
        self.turn = turn;
        self.event = self.announced;
        self.announced += events as u64;
    }

    /// Returns the subscribers of a group. `all` is whether they all see the same.
    pub(crate) fn audience(&self, group: &GroupId, all: bool) -> Audience {
        let Some(group) = self.by_key.get(group) else {
            return Audience::Nobody;
        };
        let group = &self.groups[*group];
        if all {
            return Audience::All(group.spoken());
        }
        let candidate = |(place, member): (usize, &Subscriber)| Viewer {
            user: member.user.clone(),
            granted: member.granted,
            dialect: member.dialect,
            member: place as u32,
            grant: member.grant,
        };
        let mut candidates = Vec::with_capacity(group.members.len());
        let mut members = group.members.iter();
        loop {
            let members: Vec<_> = members.by_ref().take(TOGETHER).collect();
            if members.is_empty() {
                return Audience::Each(candidates);
            }
            black_box(members.iter().map(|(_, m)| m.user.touch()).sum::<usize>());
            let hears =
                |(_, member): &(usize, &Subscriber)| !self.peers[member.peer].outbox.is_deaf();
            candidates.extend(members.into_iter().filter(hears).map(candidate));
        }
    }

    /// Appends what an event is to the subscribers.
    pub(crate) fn publish(&mut self, happening: HubEvent, at: &EventPosition) {
        self.event += 1;
        match happening {
            HubEvent::Row(publications) => {
                for Publication { group, told, to } in publications {
                    let Some(group) = self.by_key.get(&group).copied() else {
                        continue;
                    };
                    match to {
                        To::All(by_dialect) => {
                            self.publish_to_all(group, told, by_dialect, at.position);
                        }
                        To::Each(seen) => self.publish_to_each(group, &told, seen, at.position),
                    }
                }
            }
            HubEvent::Reset(model) => self.reset_model(&model, at),
        }
    }

    pub(crate) fn publish_to_all(
        &mut self,
        index: usize,
        told: Arc<[Told]>,
        by_dialect: ByDialect,
        position: u64,
    ) {
        let lengths = by_dialect.map(|pick| Some(told[usize::from(pick?)].frame.bytes().len()));
        self.take_in(1, lengths.into_iter().flatten().max());
        let Group { members, log, .. } = &mut self.groups[index];
        let end = log.end();
        let mut waiting = 0;
        let (mut woken, mut lagging) = (Vec::new(), Vec::new());
        for (place, member) in members {
            let peer = &mut self.peers[member.peer];
            let length = lengths[member.dialect as usize]
                .filter(|_| position > member.after && self.event > member.behind)
                .filter(|_| !peer.outbox.is_deaf());
            let Some(length) = length else {
                log.detach(member);
                continue;
            };
            let is_slow = peer.is_slow();
            if is_slow
                && !peer
                    .outbox
                    .count(&self.common.limits, member.amount(length))
            {
                log.drop_waiting(member);
                lagging.push(member.peer);
                continue;
            }
            // Else its turn comes already.
            if is_slow || matches!(member.waits, Waits::Nothing) {
                woken.push(member.peer);
            }
            match &mut member.waits {
                Waits::Nothing => {
                    member.waits = Waits::From(end);
                    peer.waiting.push(Place::new(index, place));
                    waiting += 1;
                }
                Waits::From(_) => waiting += 1,
                Waits::Listed(listed) => {
                    let pick = by_dialect[member.dialect as usize];
                    listed.extend(pick.map(|pick| Listed {
                        event: self.event,
                        told: Arc::clone(&told),
                        pick,
                    }));
                }
            }
        }
        if waiting > 0 {
            log.push(self.event, told, by_dialect, waiting);
        }
        self.published(&woken, &lagging);
    }

    pub(crate) fn publish_to_each(
        &mut self,
        index: usize,
        told: &Arc<[Told]>,
        seen: Vec<Recipient>,
        position: u64,
    ) {
        let lengths = told.iter().map(|told| told.frame.bytes().len());
        self.take_in(1, lengths.max());
        let Group { members, .. } = &mut self.groups[index];
        let (mut woken, mut lagging) = (Vec::new(), Vec::new());
        for Recipient {
            member: place,
            grant,
            pick,
        } in seen
        {
            // It may have ended, or been granted otherwise, since it was asked about.
            let member = members.get_mut(place as usize);
            let Some(member) = member.filter(|member| member.grant == grant) else {
                continue;
            };
            let peer = &mut self.peers[member.peer];
            let is_past = position <= member.after || self.event <= member.behind;
            if is_past || peer.outbox.is_deaf() {
                continue;
            }
            let amount = member.amount(told[usize::from(pick)].frame.bytes().len());
            if peer.is_slow() && !peer.outbox.count(&self.common.limits, amount) {
                lagging.push(member.peer);
                continue;
            }
            let listed = Listed {
                event: self.event,
                told: Arc::clone(told),
                pick,
            };
            // Else its turn comes already.
            if peer.is_slow() || matches!(member.waits, Waits::Nothing) {
                woken.push(member.peer);
            }
            if let Waits::Listed(waiting) = &mut member.waits {
                waiting.push(listed);
            } else {
                member.waits = Waits::Listed(vec![listed]);
                peer.waiting.push(Place::new(index, place as usize));
            }
        }
        self.published(&woken, &lagging);
    }

    pub(crate) fn published(&mut self, woken: &[usize], lagging: &[usize]) {
        for peer in woken {
            self.wake(*peer);
            self.gauge(*peer);
        }
        for peer in lagging {
            self.lag(*peer);
        }
    }
}
