//! The word that what a client holds may be out of date.

use std::sync::Arc;

use super::{
    client::{Place, Subscription},
    send_queue::{Kind, Pending, What},
};
use crate::{
    data::cursor::{Cursor, Epoch, EventPosition},
    hub::{groups::group::Serial, shard::State},
    protocol::{code::ResetReason, dialect::Dialect, frame::Frame},
};

impl State {
    /// Tells the subscribers of a model that rows changed that are not known: in v1 once for each id, in
    /// the other dialects once a connection. It stands among the broadcasts, in its place. Where that is the last that waits
    /// already, once is enough: who reads it fetches then.
    pub(crate) fn reset_model(&mut self, label: &Arc<str>, at: &EventPosition) {
        let mut concerned: Vec<(usize, Place)> = Vec::new();
        for (index, group) in &self.groups {
            if group.model == *label {
                let members = group.members.iter();
                let members = members.filter(|(_, member)| at.position > member.after);
                concerned.extend(members.map(|(place, m)| (m.peer, Place::new(index, place))));
            }
        }
        concerned.sort_unstable_by_key(|(peer, _)| *peer);
        let (mut told, mut most) = (None, 0);
        for (peer, place) in concerned {
            let member = self.member_at(place);
            let (dialect, serial) = (member.dialect, member.grant);
            let reason = ResetReason::Bulk;
            match dialect {
                Dialect::V1 => {
                    let subscriptions = &self.peers[peer].subscriptions;
                    let subscription = subscriptions.iter().find(|s| s.place == place);
                    let ids = subscription.into_iter().flat_map(Subscription::ids);
                    let frame = |id| dialect.reset(Some(id), label, reason, &at.cursor);
                    let frames: Vec<_> = ids.map(frame).collect();
                    most = most.max(frames.len());
                    self.push_resets(peer, label, Some(serial), frames);
                }
                Dialect::Plain | Dialect::V0_7 if told != Some(peer) => {
                    told = Some(peer);
                    let frame = dialect.reset(None, label, reason, &at.cursor);
                    self.push_resets(peer, label, None, vec![frame]);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
        }
        self.take_in(most.max(1), None);
    }

    pub(crate) fn push_resets(
        &mut self,
        place: usize,
        label: &Arc<str>,
        subscription: Option<Serial>,
        frames: Vec<Frame>,
    ) {
        let peer = &self.peers[place];
        if peer.outbox.is_deaf() {
            return;
        }
        let kind = Kind::Reset(label.as_ptr().addr(), subscription);
        let logged = peer
            .waiting
            .iter()
            .filter_map(|at| self.groups[at.group as usize].last_waiting(at.member as usize));
        let last_logged = logged.max().unwrap_or(0);
        let mut last_resets = peer.outbox.own().rev().take_while(|pending| {
            matches!(pending.kind, Kind::Reset(..)) && pending.behind > last_logged
        });
        let is_told = last_resets.any(|waiting| waiting.kind == kind);
        drop(last_resets);
        if is_told {
            return;
        }
        self.common.metrics.reset(ResetReason::Bulk, frames.len());
        for frame in frames {
            let peer = &mut self.peers[place];
            let pending = Pending {
                kind,
                what: What::Frame(frame),
                behind: self.event,
            };
            if !peer.outbox.is_deaf() && !peer.outbox.push_reset(&self.common.limits, pending) {
                self.lag(place);
            }
        }
        self.gauge(place);
        self.wake(place);
    }

    /// Tells every subscriber that changes were missed, and goes on behind a cursor, which may be
    /// another log's by now. Who has subscribed behind it has missed nothing. Returns how many sessions are told.
    pub(crate) fn reset(&mut self, cursor: &Cursor, turn: u64, reason: ResetReason) -> usize {
        self.turn = turn;
        let before = self.dispatched.replace(cursor.clone());
        // Positions of another life of the log say nothing.
        // A log that went back has lost what it had: its positions are used again.
        let is_of_epoch = before
            .as_ref()
            .is_some_and(|b| b.epoch == cursor.epoch && b.position <= cursor.position);
        let reason = match before {
            Some(_) if !is_of_epoch => ResetReason::Epoch,
            _ => reason,
        };
        let mut has_missed = vec![];
        for (_, group) in &mut self.groups {
            for (_, member) in &mut group.members {
                if !is_of_epoch || member.after < cursor.position {
                    member.after = cursor.position;
                    has_missed.push(member.peer);
                }
            }
        }
        has_missed.sort_unstable();
        has_missed.dedup();
        for place in &has_missed {
            self.peers[*place].outbox.reset(reason);
            self.wake(*place);
        }
        has_missed.len()
    }

    /// Returns the resets that are due: one for each model, or in v1 one for each id.
    pub(crate) fn take_resets(&mut self, place: usize) -> Vec<Frame> {
        match self.peers[place].outbox.reset.take() {
            Some(reason) => self.resets(place, reason),
            None => Vec::new(),
        }
    }

    pub(crate) fn resets(&mut self, place: usize, reason: ResetReason) -> Vec<Frame> {
        // No log knows a random epoch, so that resuming from there is another reset.
        let cursor = self.dispatched.clone().unwrap_or_else(|| Cursor {
            epoch: Epoch::random(),
            position: 0,
        });
        let (mut frames, mut told) = (Vec::new(), Vec::new());
        for subscription in &self.peers[place].subscriptions {
            let at = subscription.place;
            let group = &mut self.groups[at.group as usize];
            let label = Arc::clone(&group.model);
            let member = &mut group.members[at.member as usize];
            // What happened before is covered by the reset.
            member.after = member.after.max(cursor.position);
            let dialect = member.dialect;
            match dialect {
                Dialect::V1 => {
                    let reset = |id| dialect.reset(Some(id), &label, reason, &cursor);
                    frames.extend(subscription.ids().map(reset));
                }
                Dialect::Plain | Dialect::V0_7 if !told.contains(&label) => {
                    frames.push(dialect.reset(None, &label, reason, &cursor));
                    told.push(label);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
        }
        self.common.metrics.reset(reason, frames.len());
        frames
    }
}
