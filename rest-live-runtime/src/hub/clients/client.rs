//! What a shard knows of one session.

use std::{sync::Arc, time::Instant};

use tokio::sync::Notify;
use tracing::Span;

use super::send_queue::SendQueue;
use crate::{
    hub::{groups::group::Serial, writer::socket::SharedSocket},
    model::permission::Identity,
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame, id::Id, v1},
};

#[derive(Debug)]
pub(crate) struct Client {
    /// Number of the session, never used twice.
    pub(crate) number: u64,
    pub(crate) user: Identity,
    pub(crate) outbox: SendQueue,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Where something waits in a log.
    pub(crate) waiting: Vec<Place>,
    /// The subscriptions, those to one group under several ids each counted.
    pub(crate) count: u32,
    /// How often they were to be authorized anew: an answer from before does not hold.
    pub(crate) reauthorized: u64,
    /// Chosen by the subprotocol, or by the first subscription.
    pub(crate) dialect: Option<Dialect>,
    said_goodbye: bool,
    /// Whether its client was told that the log cannot be reached.
    pub(crate) is_stale: bool,
    /// How many of its frames the gauge of those that wait has.
    pub(crate) gauged: u32,
    pub(crate) sink: Sink,
}

/// Place of a member: of its group in the shard, and its own in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: u32,
    pub(crate) member: u32,
}

impl Place {
    pub(crate) fn new(group: usize, member: usize) -> Self {
        Self {
            group: group as u32,
            member: member as u32,
        }
    }
}

/// One subscription of a session to one group.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) serial: Serial,
    pub(crate) place: Place,
    /// What the client calls it: nothing in the plain dialect, one or more names elsewhere.
    pub(crate) names: Vec<Name>,
    /// Lives as long as the subscription.
    pub(crate) span: Span,
}

/// What a client calls a subscription.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) id: Id,
    /// The shard's event behind which it holds.
    pub(crate) behind: u64,
}

/// Where a session's frames go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// To who asks for them, and is told when there are some.
    Asked(Arc<Notify>),
    /// To a socket.
    SharedSocket(Attached),
}

/// A socket that the shard writes to.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) wire: Arc<SharedSocket>,
    pub(crate) flow: Flow,
    /// Since when it has taken nothing, of what waits.
    pub(crate) stalled: Option<Instant>,
    /// Since when it is to be closed, by the clock.
    pub(crate) closing: Option<Instant>,
    /// Whether the client cannot see the websocket's pings, and gets some of its own.
    pub(crate) pings: bool,
    pub(crate) pinged: Instant,
    pub(crate) heard: Instant,
    /// Whether the close frame is among what waits, or has left.
    pub(crate) closes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flow {
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
pub(crate) struct Mark {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Client {
    pub(crate) fn new(number: u64, user: Identity, dialect: Option<Dialect>) -> Self {
        Self {
            number,
            user,
            outbox: SendQueue::default(),
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
    pub(crate) fn is_slow(&self) -> bool {
        match &self.sink {
            Sink::Asked(_) => true,
            Sink::SharedSocket(attached) => attached.stalled.is_some(),
        }
    }

    pub(crate) fn has_something(&self) -> bool {
        let is_said = match &self.sink {
            Sink::Asked(_) => false,
            Sink::SharedSocket(attached) => attached.closes,
        };
        let is_to_close = self.outbox.closes().is_some() && !is_said;
        !self.outbox.is_empty() || !self.waiting.is_empty() || is_to_close
    }

    pub(crate) fn attached(&mut self) -> Option<&mut Attached> {
        match &mut self.sink {
            Sink::Asked(_) => None,
            Sink::SharedSocket(attached) => Some(attached),
        }
    }

    pub(crate) fn with_id<'p>(&'p self, id: &'p Id) -> impl Iterator<Item = &'p Subscription> {
        let subscriptions = self.subscriptions.iter();
        subscriptions.filter(move |subscription| subscription.has_id(id))
    }

    pub(crate) fn at(&self, place: Place) -> Option<&Subscription> {
        self.subscriptions.iter().find(|s| s.place == place)
    }

    /// Returns what is said at last: a word before the close, where there is one, and its code.
    pub(crate) fn last_words(&mut self, code: CloseCode) -> (Option<Frame>, CloseCode) {
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
    pub(crate) fn count(&self) -> usize {
        self.names.len().max(1)
    }

    pub(crate) fn has_id(&self, id: &Id) -> bool {
        self.ids().any(|own| own == id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.names.iter().map(|name| &name.id)
    }

    /// Returns the names that it had when an event came.
    pub(crate) fn ids_at(&self, event: u64) -> impl Iterator<Item = &Id> {
        let names = self.names.iter();
        names
            .filter(move |name| name.behind < event)
            .map(|name| &name.id)
    }
}
