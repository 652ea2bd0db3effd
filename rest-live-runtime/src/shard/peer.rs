//! What a shard knows of one session.

use std::{sync::Arc, time::Instant};

use tokio::sync::Notify;
use tracing::Span;

use super::{group::Serial, outbox::Outbox};
use crate::{
    code::CloseCode,
    dialect::{Dialect, Id, v1},
    frame::Frame,
    permission::Identity,
    wire::Wire,
};

#[derive(Debug)]
pub(super) struct Peer {
    /// Number of the session, never used twice.
    pub(super) number: u64,
    pub(super) user: Identity,
    pub(super) outbox: Outbox,
    pub(super) subscriptions: Vec<Subscription>,
    /// Where something waits in a log.
    pub(super) waiting: Vec<Place>,
    /// The subscriptions, those to one group under several ids each counted.
    pub(super) count: u32,
    /// How often they were to be authorized anew: an answer from before does not hold.
    pub(super) reauthorized: u64,
    /// Chosen by the subprotocol, or by the first subscription.
    pub(super) dialect: Option<Dialect>,
    said_goodbye: bool,
    /// Whether its client was told that the log cannot be reached.
    pub(super) is_stale: bool,
    /// How many of its frames the gauge of those that wait has.
    pub(super) gauged: u32,
    pub(super) sink: Sink,
}

/// Place of a member: of its group in the shard, and its own in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: u32,
    pub(super) member: u32,
}

impl Place {
    pub(super) fn new(group: usize, member: usize) -> Self {
        Self {
            group: group as u32,
            member: member as u32,
        }
    }
}

/// One subscription of a session to one group.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) serial: Serial,
    pub(super) place: Place,
    /// What the client calls it: nothing in the plain dialect, one or more names elsewhere.
    pub(super) names: Vec<Name>,
    /// Lives as long as the subscription.
    pub(super) span: Span,
}

/// What a client calls a subscription.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) id: Id,
    /// The shard's event behind which it holds.
    pub(super) behind: u64,
}

/// Where a session's frames go.
#[derive(Debug)]
pub(super) enum Sink {
    /// To who asks for them, and is told when there are some.
    Asked(Arc<Notify>),
    /// To a socket.
    Wire(Attached),
}

/// A socket that the shard writes to.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) wire: Arc<Wire>,
    pub(super) flow: Flow,
    /// Since when it has taken nothing, of what waits.
    pub(super) stalled: Option<Instant>,
    /// Since when it is to be closed, by the clock.
    pub(super) closing: Option<Instant>,
    /// Whether the client cannot see the websocket's pings, and gets some of its own.
    pub(super) pings: bool,
    pub(super) pinged: Instant,
    pub(super) heard: Instant,
    /// Whether the close frame is among what waits, or has left.
    pub(super) closes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flow {
    /// Nothing waits.
    Idle,
    /// Its turn comes. The mark is from when it was put in the queue.
    Queued(Mark),
    /// What waited is being written.
    Writing,
    /// The socket takes no more.
    Blocked,
}

/// How much the shard had taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mark {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Peer {
    pub(super) fn new(number: u64, user: Identity, dialect: Option<Dialect>) -> Self {
        Self {
            number,
            user,
            outbox: Outbox::default(),
            subscriptions: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            reauthorized: 0,
            dialect,
            said_goodbye: false,
            is_stale: false,
            gauged: 0,
            sink: Sink::Asked(Arc::default()),
        }
    }

    /// Returns whether its client may be slow, so that what waits is counted. Else it leaves with the next turn.
    pub(super) fn is_slow(&self) -> bool {
        match &self.sink {
            Sink::Asked(_) => true,
            Sink::Wire(attached) => attached.stalled.is_some(),
        }
    }

    pub(super) fn has_something(&self) -> bool {
        let is_said = match &self.sink {
            Sink::Asked(_) => false,
            Sink::Wire(attached) => attached.closes,
        };
        let is_to_close = self.outbox.closes().is_some() && !is_said;
        !self.outbox.is_empty() || !self.waiting.is_empty() || is_to_close
    }

    pub(super) fn attached(&mut self) -> Option<&mut Attached> {
        match &mut self.sink {
            Sink::Asked(_) => None,
            Sink::Wire(attached) => Some(attached),
        }
    }

    pub(super) fn with_id<'p>(&'p self, id: &'p Id) -> impl Iterator<Item = &'p Subscription> {
        let subscriptions = self.subscriptions.iter();
        subscriptions.filter(move |subscription| subscription.has_id(id))
    }

    pub(super) fn at(&self, place: Place) -> Option<&Subscription> {
        self.subscriptions.iter().find(|s| s.place == place)
    }

    /// Returns what is said at last: a word before the close, where there is one, and its code.
    pub(super) fn last_words(&mut self, code: CloseCode) -> (Option<Frame>, CloseCode) {
        match (code, self.dialect) {
            (CloseCode::GoingAway, Some(Dialect::V1)) => {
                let is_first = !std::mem::replace(&mut self.said_goodbye, true);
                (is_first.then(v1::goodbye), CloseCode::Draining)
            }
            _ => (None, code),
        }
    }
}

impl Subscription {
    /// Returns how many of the client's subscriptions it is.
    pub(super) fn count(&self) -> usize {
        self.names.len().max(1)
    }

    pub(super) fn has_id(&self, id: &Id) -> bool {
        self.ids().any(|own| own == id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.names.iter().map(|name| &name.id)
    }

    /// Returns the names that it had when an event came.
    pub(super) fn ids_at(&self, event: u64) -> impl Iterator<Item = &Id> {
        let names = self.names.iter();
        names
            .filter(move |name| name.behind < event)
            .map(|name| &name.id)
    }
}
