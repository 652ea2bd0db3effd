//! Subscriptions: how they begin, change and end.

use std::sync::Arc;

use tracing::Span;

use super::{
    frame_log::Waits,
    group::{Group, Serial, Subscriber},
};
use crate::{
    data::{cursor::Cursor, granted::Granted, group_id::GroupId},
    hub::{
        Answers, Grant, Refused,
        clients::client::{Flow, Name, Place, Subscription},
        shard::{ClientId, State},
    },
    model::permission::Identity,
    protocol::{code::ResetReason, dialect::Dialect, frame::Frame, id::Id},
};

/// A subscription, for who asks about it.
#[derive(Clone, Debug)]
pub(crate) struct Subscribed {
    pub(crate) group: Arc<GroupId>,
    pub(crate) serial: Serial,
    pub(crate) dialect: Dialect,
    pub(crate) user: Identity,
    pub(crate) span: Span,
}

impl State {
    /// Subscribes a session to what happens in a group from now on. Subscribing again changes nothing,
    /// but that the subscription may have one more id. `answers` is what the client gets, before all
    /// that the subscription brings; it is made with the cursor at which it begins, and the number of the batch that the
    /// dispatcher has begun to hand out.
    ///
    /// # Errors
    /// Why the session cannot have it.
    pub(crate) fn subscribe(
        &mut self,
        id: ClientId,
        grant: Grant,
        answers: impl FnOnce(&Cursor, u64) -> Result<Answers, Refused>,
    ) -> Result<(), Refused> {
        let Some(begins) = grant.after.clone().or_else(|| self.dispatched.clone()) else {
            // The log has not begun.
            return Err(Refused::Outdated);
        };
        let is_of_epoch = self.is_of_epoch(&begins);
        let most = self.common.limits.max_subscriptions;
        let (turn, dispatched) = (self.turn, self.dispatched.as_ref());
        let dispatched = dispatched.map_or(0, |dispatched| dispatched.position);
        let Some(peer) = self.peer(id) else {
            return Err(Refused::Gone);
        };
        if grant.asked != peer.reauthorized || !is_of_epoch {
            return Err(Refused::Outdated);
        }
        if let Some(id) = &grant.id
            && grant.dialect == Dialect::V1
            && peer.with_id(id).next().is_some()
        {
            return Err(Refused::IdInUse);
        }
        let has_room = (peer.count as usize) < most;
        let present = self.find(id, &grant.group);
        let adds = present.is_none_or(|present| {
            let present = &self.peers[id.place].subscriptions[present];
            grant.id.as_ref().is_some_and(|id| !present.has_id(id))
        });
        if adds && !has_room {
            return Err(Refused::TooMany);
        }
        let after = match present {
            // It goes on behind what was handed out, which the log's head may be ahead of.
            Some(present) => self.member(id.place, present).after.max(dispatched),
            // What the dispatcher has begun to hand out, this subscription has missed.
            None => begins.position.max(dispatched),
        };
        let cursor = Cursor {
            epoch: begins.epoch,
            position: after,
        };
        let Answers { answers, replayed } = answers(&cursor, turn)?;
        let place = match present {
            Some(present) => {
                self.regrant(id.place, present, grant.granted);
                present
            }
            None => self.add(id, &grant, after),
        };
        // What the dispatcher has begun to hand out is not for this name, either.
        let behind = self.announced;
        let peer = &mut self.peers[id.place];
        peer.dialect = Some(grant.dialect);
        let subscription = &mut peer.subscriptions[place];
        if adds {
            peer.count += 1;
            self.common.metrics.subscriptions.increment(1.0);
            subscription.names.reserve_exact(1);
            let name = grant.id.map(|id| Name { id, behind });
            subscription.names.extend(name);
            let (names, place) = (subscription.names.len(), subscription.place);
            self.set_names(place, names);
        }
        let serial = self.member(id.place, place).grant;
        for answer in answers {
            self.answer(id, answer);
        }
        for frame in replayed {
            self.replay(id, serial, frame);
        }
        self.tell_stale(id.place);
        Ok(())
    }

    /// Returns up to where the dispatcher has come, and the number of the batch.
    pub(crate) fn dispatched(&self) -> Option<(Cursor, u64)> {
        Some((self.dispatched.clone()?, self.turn))
    }

    pub(crate) fn add(&mut self, id: ClientId, grant: &Grant, after: u64) -> usize {
        let serial = Serial(self.number());
        let group = match self.by_key.get(&grant.group) {
            Some(group) => *group,
            None => {
                let group = self
                    .groups
                    .insert(Group::new(grant.group.clone(), Arc::clone(&grant.model)));
                let key = Arc::clone(&self.groups[group].key);
                self.by_key.insert(key, group);
                self.common.group_opened();
                group
            }
        };
        let peer = &mut self.peers[id.place];
        let member = self.groups[group].insert(Subscriber {
            grant: serial,
            peer: id.place,
            dialect: grant.dialect,
            user: peer.user.clone(),
            granted: grant.granted,
            after,
            behind: self.announced,
            times: 1,
            waits: Waits::Nothing,
        });
        let place = Place::new(group, member);
        // Most sessions have one.
        peer.subscriptions
            .reserve_exact(usize::from(peer.subscriptions.is_empty()));
        peer.subscriptions.push(Subscription {
            serial,
            place,
            names: Vec::new(),
            span: grant.span.clone(),
        });
        peer.subscriptions.len() - 1
    }

    /// Ends the subscription of a session to a group, if there is one.
    pub(crate) fn unsubscribe(&mut self, id: ClientId, group: &GroupId) -> Option<Ended> {
        let place = self.find(id, group)?;
        Some(self.end(id, place))
    }

    /// Ends what a session calls by an id, with the answer to that. Returns what there was.
    pub(crate) fn unsubscribe_id(
        &mut self,
        peer: ClientId,
        id: &Id,
        answer: Option<Frame>,
    ) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Some(place) = self.peer(peer).and_then(|p| {
            let mut called = p.subscriptions.iter();
            called.position(|subscription| subscription.has_id(id))
        }) {
            let subscription = &mut self.peers[peer.place].subscriptions[place];
            if subscription.names.len() > 1 {
                subscription.names.retain(|name| name.id != *id);
                let (names, at) = (subscription.names.len(), subscription.place);
                self.set_names(at, names);
                self.forget_written_of(peer, at);
                // What waits of it was counted with this id.
                self.recount(peer.place);
                self.peers[peer.place].count -= 1;
                self.common.metrics.subscriptions.decrement(1.0);
                ended.push(Ended { _span: None });
            } else {
                ended.push(self.end(peer, place));
            }
        }
        if let Some(answer) = answer.filter(|_| !ended.is_empty()) {
            self.answer(peer, answer);
        }
        ended
    }

    /// Has the answer to a question take effect that was asked about a subscription: it goes on as
    /// granted, or ends, and its client is told `last`, which is made with its ids. Returns `None` if the
    /// answer is outdated, or whether the subscription has ended by it.
    pub(crate) fn settle(
        &mut self,
        id: ClientId,
        serial: Serial,
        asked: u64,
        granted: Option<Granted>,
        last: impl FnOnce(&[Id]) -> Vec<Frame>,
    ) -> Option<Option<Ended>> {
        let Some(peer) = self.peer(id) else {
            return Some(None);
        };
        if peer.reauthorized != asked {
            return None;
        }
        let Some(place) = peer.subscriptions.iter().position(|s| s.serial == serial) else {
            return Some(None);
        };
        if let Some(granted) = granted {
            self.regrant(id.place, place, granted);
            return Some(None);
        }
        let ids = self.peers[id.place].subscriptions[place].ids();
        let last = last(&ids.cloned().collect::<Vec<_>>());
        let ended = self.end(id, place);
        for frame in last {
            self.answer(id, frame);
        }
        Some(Some(ended))
    }

    /// Returns whether a session calls something by an id.
    pub(crate) fn has_id(&mut self, peer: ClientId, id: &Id) -> bool {
        let peer = self.peer(peer);
        peer.is_some_and(|peer| peer.with_id(id).next().is_some())
    }

    /// Returns the subscriptions of a session.
    pub(crate) fn subscriptions_of(&mut self, id: ClientId) -> Vec<Subscribed> {
        if self.peer(id).is_none() {
            return Vec::new();
        }
        let peer = &self.peers[id.place];
        let subscribed = |subscription: &Subscription| {
            let group = &self.groups[subscription.place.group as usize];
            let member = &group.members[subscription.place.member as usize];
            Subscribed {
                group: Arc::clone(&group.key),
                serial: subscription.serial,
                dialect: member.dialect,
                user: peer.user.clone(),
                span: subscription.span.clone(),
            }
        };
        peer.subscriptions.iter().map(subscribed).collect()
    }

    /// Returns what an answer must be settled with that is asked for now.
    pub(crate) fn asking(&mut self, id: ClientId) -> u64 {
        self.peer(id).map_or(0, |peer| peer.reauthorized)
    }

    /// Says that answers about a session's subscriptions that were asked for before hold no more.
    pub(crate) fn reauthorize(&mut self, id: ClientId) {
        if let Some(peer) = self.peer(id) {
            peer.reauthorized += 1;
        }
    }

    /// Has a subscription be shown rows by other serializers. What waits of it was made by the earlier
    /// ones and is dropped for a reset, which also covers what the client holds.
    pub(crate) fn regrant(&mut self, peer: usize, place: usize, granted: Granted) {
        if self.member(peer, place).granted == granted {
            return;
        }
        let grant = Serial(self.number());
        self.drop_waiting_of(peer, place);
        let member = self.member(peer, place);
        member.granted = granted;
        member.grant = grant;
        self.peers[peer].outbox.reset(ResetReason::Bulk);
        self.wake(peer);
    }

    /// Has nothing be told under a name of 0.7 that is taken back: what is being written, or was put back, carries it
    /// already. The other names are told to reset.
    pub(crate) fn forget_written_of(&mut self, id: ClientId, at: Place) {
        let &mut Subscriber { dialect, grant, .. } = self.member_at(at);
        let peer = &mut self.peers[id.place];
        let of_it = Some(grant);
        let waits = peer.outbox.own().any(|p| p.kind.subscription() == of_it);
        let is_writing = peer.attached().is_some_and(|a| a.flow == Flow::Writing);
        if dialect == Dialect::V0_7 && (waits || is_writing) {
            peer.outbox.drop_of(grant);
            peer.outbox.reset(ResetReason::Bulk);
            let grant = Serial(self.number());
            self.member_at(at).grant = grant;
        }
    }

    /// Has nothing wait of a subscription any more.
    pub(crate) fn drop_waiting_of(&mut self, peer: usize, place: usize) {
        let at = self.peers[peer].subscriptions[place].place;
        let serial = self.member_at(at).grant;
        self.groups[at.group as usize].drop_waiting(at.member as usize);
        self.peers[peer].waiting.retain(|waiting| *waiting != at);
        self.peers[peer].outbox.drop_of(serial);
        self.recount(peer);
    }

    /// Ends a subscription.
    pub(crate) fn end(&mut self, id: ClientId, place: usize) -> Ended {
        self.drop_waiting_of(id.place, place);
        let peer = &mut self.peers[id.place];
        let subscription = peer.subscriptions.swap_remove(place);
        let count = subscription.count();
        peer.count -= count as u32;
        self.common.metrics.subscriptions.decrement(count as f64);
        self.remove_member(subscription.place);
        Ended {
            _span: Some(subscription.span),
        }
    }

    /// Takes a member out of its group, and the group if it was the last.
    pub(crate) fn remove_member(&mut self, place: Place) {
        let index = place.group as usize;
        let group = &mut self.groups[index];
        group.remove(place.member as usize);
        if group.members.is_empty() {
            let group = self.groups.remove(index);
            self.by_key.remove(&group.key);
            self.common.group_closed();
        }
    }

    /// Returns whether a cursor is of the log's life that the dispatcher is in, as far as that is known.
    pub(crate) fn is_of_epoch(&self, cursor: &Cursor) -> bool {
        let dispatched = self.dispatched.as_ref();
        dispatched.is_none_or(|dispatched| dispatched.epoch == cursor.epoch)
    }

    /// Returns which of a session's subscriptions is to a group.
    pub(crate) fn find(&mut self, id: ClientId, group: &GroupId) -> Option<usize> {
        let group = *self.by_key.get(group)? as u32;
        let subscriptions = &self.peer(id)?.subscriptions;
        subscriptions.iter().position(|s| s.place.group == group)
    }

    pub(crate) fn member(&mut self, peer: usize, place: usize) -> &mut Subscriber {
        let place = self.peers[peer].subscriptions[place].place;
        self.member_at(place)
    }

    /// In 0.7 each of a subscription's names is told.
    pub(crate) fn set_names(&mut self, place: Place, names: usize) {
        let member = self.member_at(place);
        if member.dialect == Dialect::V0_7 {
            member.times = names;
        }
    }

    pub(crate) fn member_at(&mut self, place: Place) -> &mut Subscriber {
        &mut self.groups[place.group as usize].members[place.member as usize]
    }
}

/// A subscription has ended, or one of its names. It is dropped after the lock: with its span ends what the
/// application's own code may watch.
#[derive(Debug)]
pub(crate) struct Ended {
    _span: Option<Span>,
}
