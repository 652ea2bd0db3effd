//! How much waits, for a slow client and in all, and what becomes of it.

use std::time::Instant;

use super::{
    client::{Flow, Sink},
    send_queue::Amount,
};
use crate::{
    hub::shard::{Shard, State},
    protocol::dialect::Dialect,
};

/// So much of what may wait for one client may be appended while a socket waits for its turn. A client that reads
/// does not lag by the dispatcher's haste.
pub(crate) const AHEAD: usize = 4;

impl Shard {
    /// Waits until the sockets have had their turns.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.room.notified();
            if !self.state().is_far_ahead() {
                return;
            }
            room.await;
        }
    }

    pub(crate) fn tell_room(&self) {
        self.room.notify_one();
    }
}

impl State {
    pub(crate) fn is_far_ahead(&self) -> bool {
        if self.is_over {
            return false;
        }
        // Its client may have gone meanwhile.
        let first = self.ready.front().and_then(|first| self.peers.get(*first));
        let Some(Sink::SharedSocket(attached)) = first.map(|first| &first.sink) else {
            return false;
        };
        let Flow::Queued(since) = attached.flow else {
            return false;
        };
        let limits = &self.common.limits;
        let is_much = |now: u64, then: u64, most: usize| (now - then) * AHEAD as u64 >= most as u64;
        is_much(
            self.taken_in.messages,
            since.messages,
            limits.max_pending_messages,
        ) || is_much(self.taken_in.bytes, since.bytes, limits.max_pending_bytes)
    }

    /// Takes note of how much was appended that a socket waits for at most.
    pub(crate) fn take_in(&mut self, messages: usize, bytes: Option<usize>) {
        self.taken_in.messages += messages as u64;
        self.taken_in.bytes += bytes.unwrap_or(0) as u64;
    }

    /// Drops what waits for a client for a reset.
    pub(crate) fn lag(&mut self, place: usize) {
        if self.peers[place].outbox.is_deaf() {
            return;
        }
        self.drop_logged(place);
        self.peers[place].outbox.lag(Instant::now());
        self.common.metrics.lags.increment(1);
        self.gauge(place);
        self.wake(place);
    }

    /// Returns how much waits for a client in logs.
    pub(crate) fn logged(&self, place: usize) -> Amount {
        let peer = &self.peers[place];
        let mut all = Amount::default();
        for at in &peer.waiting {
            let group = &self.groups[at.group as usize];
            let is_named = group.members[at.member as usize].dialect == Dialect::V0_7;
            let subscription = peer.at(*at);
            for (event, told) in group.waiting(at.member as usize) {
                let times = match subscription {
                    Some(subscription) if is_named => subscription.ids_at(event).count(),
                    _ => 1,
                };
                all.messages += times;
                all.bytes += times * told.frame.bytes().len();
            }
        }
        all
    }

    /// Counts what waits for a client in logs anew.
    pub(crate) fn recount(&mut self, place: usize) {
        if self.peers[place].is_slow() {
            let logged = self.logged(place);
            self.peers[place].outbox.recount(logged);
            self.gauge(place);
        }
    }
}
