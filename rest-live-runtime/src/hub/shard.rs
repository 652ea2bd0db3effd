//! A part of the hub: some sessions, their subscriptions by group, and what waits for each.
//!
//! The dispatcher publishes into it, sessions subscribe in it, and a task of its own writes to the sockets
//! (`flush`). Its state is under one lock, which is never held across an await, nor while anything is
//! written, nor while application code runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use tokio::sync::{Notify, watch};

pub use super::clients::drain::Outgoing;
pub(crate) use super::{
    clients::backpressure::AHEAD,
    groups::{
        broadcast::{Audience, HubEvent, Publication, To},
        frame_log::{Pick, Told},
        group::Serial,
        subscriptions::Subscribed,
    },
    writer::flush::run,
};
use super::{
    clients::{
        client::{Client, Flow, Mark, Sink},
        send_queue::Kind,
    },
    groups::group::Group,
};
use crate::{
    data::{cursor::Cursor, group_id::GroupId},
    limits::Limits,
    metrics::Metrics,
    model::permission::Identity,
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame},
};

/// Place of a session: of its peer in the shard, and a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientId {
    pub(crate) place: usize,
    pub(crate) number: u64,
}

/// What the shards of a hub have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Groups that have a subscriber, of all shards, and whether there is any.
    pub(crate) groups: Mutex<usize>,
    pub(crate) subscribed: watch::Sender<bool>,
}

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) common: Arc<Common>,
    pub(crate) state: Mutex<State>,
    /// Told when a socket has its turn.
    pub(crate) work: Notify,
    /// Told when the dispatcher may go on.
    pub(crate) room: Notify,
    /// Told when what was taken out is written.
    pub(crate) written: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) common: Arc<Common>,
    pub(crate) peers: Slab<Client>,
    pub(crate) groups: Slab<Group>,
    pub(crate) by_key: HashMap<Arc<GroupId>, usize>,
    /// Those sockets that have something to be written, in the order of their turns.
    pub(crate) ready: VecDeque<usize>,
    /// Whether what was taken out is being written.
    pub(crate) is_writing: bool,
    /// Number of the last event.
    pub(crate) event: u64,
    /// Number of the last one that is being handed out.
    pub(crate) announced: u64,
    /// What was taken in so far.
    pub(crate) taken_in: Mark,
    /// Numbers of sessions and subscriptions.
    pub(crate) numbers: u64,
    /// Up to where the dispatcher came. What it has begun to hand out, a subscription that begins now
    /// has missed.
    pub(crate) dispatched: Option<Cursor>,
    /// Number of the batch that it has begun to hand out.
    pub(crate) turn: u64,
    /// Whether the log cannot be reached.
    pub(crate) is_stale: bool,
    pub(crate) closed: Option<CloseCode>,
    pub(crate) is_over: bool,
}

impl Common {
    pub(crate) fn group_opened(&self) {
        let mut groups = self.groups.lock();
        *groups += 1;
        if *groups == 1 {
            self.subscribed.send_replace(true);
        }
    }

    pub(crate) fn group_closed(&self) {
        let mut groups = self.groups.lock();
        *groups -= 1;
        if *groups == 0 {
            self.subscribed.send_replace(false);
        }
    }
}

impl Shard {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        let state = State {
            common: Arc::clone(&common),
            peers: Slab::new(),
            groups: Slab::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            is_writing: false,
            event: 0,
            announced: 0,
            taken_in: Mark::default(),
            numbers: 0,
            dispatched: None,
            turn: 0,
            is_stale: false,
            closed: None,
            is_over: false,
        };
        Self {
            common,
            state: Mutex::new(state),
            work: Notify::new(),
            room: Notify::new(),
            written: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Does something with the state, and has the sockets written to that have a turn by it. What is returned is dropped
    /// behind the lock.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let was_idle = state.ready.is_empty();
        let done = act(&mut state);
        let wakes = was_idle && !state.ready.is_empty();
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        done
    }

    /// Adds a session, whose frames are asked for. After [`State::close`] it is closed at once.
    pub(crate) fn join(&self, user: Identity, dialect: Option<Dialect>) -> ClientId {
        self.with(|state| {
            let number = state.number();
            let mut peer = Client::new(number, user, dialect);
            if let Some(code) = state.closed {
                peer.outbox.close(code);
            }
            let place = state.peers.insert(peer);
            state.common.metrics.connections.increment(1.0);
            ClientId { place, number }
        })
    }

    /// Waits until what was taken out before is written.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn written(&self) {
        let written = self.written.notified();
        if self.state().is_writing {
            written.await;
        }
    }

    /// Returns whether sockets are written to.
    pub(crate) fn is_served(&self) -> bool {
        !self.state().is_over
    }

    /// Takes a session and its subscriptions out.
    pub(crate) fn leave(&self, id: ClientId) {
        // Before the subscriptions and their spans, whose end is an event to the application's own code.
        let left = self.with(|state| state.leave(id));
        drop(left);
    }

    /// Returns what is told when there is something to ask for.
    pub(crate) fn told(&self, id: ClientId) -> Option<Arc<Notify>> {
        match &self.state().peer(id)?.sink {
            Sink::Asked(notify) => Some(Arc::clone(notify)),
            Sink::SharedSocket(_) => None,
        }
    }
}

impl State {
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn peer(&mut self, id: ClientId) -> Option<&mut Client> {
        let peer = self.peers.get_mut(id.place);
        peer.filter(|peer| peer.number == id.number)
    }

    pub(crate) fn leave(&mut self, id: ClientId) -> Option<Client> {
        self.peer(id)?;
        // What it has in logs goes with its memberships.
        let subscriptions = self.peers[id.place].subscriptions.iter();
        let places: Vec<_> = subscriptions.map(|s| s.place).collect();
        for place in places {
            self.remove_member(place);
        }
        let peer = self.peers.remove(id.place);
        let metrics = &self.common.metrics;
        metrics.connections.decrement(1.0);
        metrics.subscriptions.decrement(f64::from(peer.count));
        metrics.pending.decrement(f64::from(peer.gauged));
        if let Sink::SharedSocket(attached) = &peer.sink
            && attached.stalled.is_some()
        {
            metrics.blocked.decrement(1.0);
        }
        Some(peer)
    }

    pub(crate) fn id_of(&self, place: usize) -> ClientId {
        ClientId {
            place,
            number: self.peers[place].number,
        }
    }

    /// Says that there is something for a session.
    pub(crate) fn wake(&mut self, place: usize) {
        let peer = &mut self.peers[place];
        if !peer.has_something() {
            return;
        }
        match &mut peer.sink {
            Sink::Asked(notify) => notify.notify_one(),
            Sink::SharedSocket(attached) => {
                if attached.flow == Flow::Idle {
                    attached.flow = Flow::Queued(self.taken_in);
                    self.ready.push_back(place);
                }
            }
        }
    }

    /// Keeps the gauge of those that wait for slow clients.
    pub(crate) fn gauge(&mut self, place: usize) {
        let peer = &mut self.peers[place];
        let waiting = match peer.is_slow() {
            true => peer.outbox.waiting() as u32,
            false => 0,
        };
        let before = std::mem::replace(&mut peer.gauged, waiting);
        if waiting != before {
            let change = f64::from(waiting) - f64::from(before);
            self.common.metrics.pending.increment(change);
        }
    }

    /// Queues what answers a request.
    pub(crate) fn answer(&mut self, id: ClientId, frame: Frame) {
        self.push_answer(id, Kind::Answer, frame);
    }

    /// Queues what a subscription missed.
    pub(crate) fn replay(&mut self, id: ClientId, subscription: Serial, frame: Frame) {
        self.push_answer(id, Kind::Replayed(subscription), frame);
    }

    pub(crate) fn push_answer(&mut self, id: ClientId, kind: Kind, frame: Frame) {
        let event = self.event;
        let common = Arc::clone(&self.common);
        if let Some(peer) = self.peer(id) {
            peer.outbox.push_answer(&common.limits, kind, frame, event);
            if peer.outbox.is_half_full(&common.limits)
                && let Some(attached) = peer.attached()
            {
                attached.wire.set_owed(true);
            }
            self.gauge(id.place);
            self.wake(id.place);
        }
    }

    /// Ends a session once what is queued has left; the first code holds. Who is not to come back gets
    /// nothing of what is queued.
    pub(crate) fn close_session(&mut self, id: ClientId, code: CloseCode) {
        let Some(peer) = self.peer(id) else {
            return;
        };
        match (code, peer.outbox.closes()) {
            (CloseCode::Forbidden, None) => self.close_at_once(id, code),
            _ => {
                peer.outbox.close(code);
                self.wake(id.place);
            }
        }
    }

    /// Ends a session, whatever waits.
    pub(crate) fn close_at_once(&mut self, id: ClientId, code: CloseCode) {
        if self.peer(id).is_some() {
            self.drop_logged(id.place);
            self.peers[id.place].outbox.close_at_once(code);
            self.gauge(id.place);
            self.wake(id.place);
        }
    }

    /// Closes every session, now and from now on.
    pub(crate) fn close(&mut self, code: CloseCode) {
        self.closed.get_or_insert(code);
        let places: Vec<_> = self.peers.iter().map(|(place, _)| place).collect();
        for place in places {
            self.peers[place].outbox.close(code);
            self.wake(place);
        }
    }

    /// Returns the sessions and their users.
    pub(crate) fn users(&self) -> impl Iterator<Item = (ClientId, Identity)> {
        let id = |place, peer: &Client| ClientId {
            place,
            number: peer.number,
        };
        let peers = self.peers.iter();
        peers.map(move |(place, peer)| (id(place, peer), peer.user.clone()))
    }

    /// Has nothing of the logs wait for a session any more.
    pub(crate) fn drop_logged(&mut self, place: usize) {
        for place in std::mem::take(&mut self.peers[place].waiting) {
            self.groups[place.group as usize].drop_waiting(place.member as usize);
        }
    }
}

#[cfg(test)]
mod tests;
