//! What a shard knows about one client.

use std::{sync::Arc, time::Instant};

use tokio::sync::Notify;
use tracing::Span;

use super::{expiry::Expiry, send_queue::SendQueue, socket::SharedSocket};
use crate::{
    hub::{
        groups::broadcast_frame::Unit,
        ids::{SubscriberKey, SubscriptionId},
    },
    model::permission::Identity,
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame, id::Id, v1},
};

#[derive(Debug)]
pub(crate) struct Client {
    /// Number of the client, never used twice.
    pub(crate) number: u64,
    /// `None` until the client has authenticated.
    pub(crate) user: Option<Identity>,
    /// Whether the credentials of the user have expired. The user is kept until the client is
    /// dropped, after the lock.
    pub(crate) is_expired: bool,
    /// When the credentials of the user expire.
    pub(crate) expiry: Option<Box<Expiry>>,
    pub(crate) queue: SendQueue,
    pub(crate) subscriptions: Vec<Subscription>,
    /// The subscriptions whose groups have frames for this client.
    pub(crate) backlogs: Vec<SubscriberKey>,
    /// A unit of which frames were taken before it was published to its end. Until the queue is
    /// taken again, the message that ends it is in the queue, or follows.
    pub(crate) open_unit: Option<Arc<Unit>>,
    /// Number of subscriptions; one group under several ids counts as several.
    pub(crate) subscription_count: u32,
    /// Number of reauthorizations and new users: an answer from before the last one does not hold.
    pub(crate) rights_version: u64,
    /// Chosen by the subprotocol, or by the first subscription.
    pub(crate) dialect: Option<Dialect>,
    /// Whether `goodbye` was sent, which v1 receives before the close.
    has_sent_goodbye: bool,
    /// Whether the client received `stale`, and no `live` after it.
    pub(crate) is_stale: bool,
    /// Everything up to this position of the event log that concerns the client had been sent when
    /// something was queued for it last while nothing else was. It is never past the truth.
    pub(crate) position: u64,
    /// Whether a task has taken everything, for a client without a socket.
    pub(crate) is_drained: bool,
    /// Number of its frames in the gauge of pending frames.
    pub(crate) gauged: u32,
    pub(crate) sink: Sink,
}

/// One subscription of a client to one group.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) key: SubscriberKey,
    /// What the client calls it: nothing in the plain dialect, else one or more ids.
    pub(crate) names: Vec<Name>,
    /// Lives as long as the subscription.
    pub(crate) span: Span,
}

/// What a client calls a subscription.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) id: Id,
    /// The name holds for events of the shard after this one.
    pub(crate) min_event: u64,
}

/// Where a client's frames go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// To a task that takes them, and is notified when there are some.
    Task(Arc<Notify>),
    /// To a socket that the shard writes.
    Socket(ClientSocket),
}

/// A socket, and how far the writer has come with it.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    pub(crate) socket: Arc<SharedSocket>,
    pub(crate) state: WriteState,
    /// When the socket stopped accepting queued data.
    pub(crate) stalled_since: Option<Instant>,
    /// When the heartbeat first saw that the client is to be closed.
    pub(crate) closing_since: Option<Instant>,
    /// Whether the client also gets pings that it can see, as messages.
    pub(crate) sees_pings: bool,
    pub(crate) last_ping: Instant,
    pub(crate) last_received: Instant,
    /// Whether the close frame is queued or sent.
    pub(crate) is_closing: bool,
}

/// What the writer does with a socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum WriteState {
    /// Nothing is queued.
    Idle,
    /// It waits for the writer; the intake is from when it began to wait.
    Ready(Intake),
    /// What was queued is being written.
    Writing,
    /// The socket accepts no more data.
    Blocked,
}

/// How much was appended to a shard so far, as [`is_far_ahead`](super::Clients::is_far_ahead)
/// counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Intake {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Client {
    pub(super) fn new(number: u64, user: Option<Identity>, dialect: Option<Dialect>) -> Self {
        Self {
            number,
            user,
            is_expired: false,
            expiry: None,
            queue: SendQueue::default(),
            subscriptions: Vec::new(),
            backlogs: Vec::new(),
            open_unit: None,
            subscription_count: 0,
            rights_version: 0,
            dialect,
            has_sent_goodbye: false,
            is_stale: false,
            position: 0,
            is_drained: true,
            gauged: 0,
            sink: Sink::Task(Arc::default()),
        }
    }

    /// Returns the user, unless the credentials have expired.
    pub(crate) fn current_user(&self) -> Option<&Identity> {
        self.user.as_ref().filter(|_| !self.is_expired)
    }

    /// Returns whether the client may be slow, so that its queue is limited. Otherwise the next
    /// write takes everything that is queued.
    pub(crate) fn is_slow(&self) -> bool {
        match &self.sink {
            Sink::Task(_) => true,
            Sink::Socket(socket) => socket.stalled_since.is_some(),
        }
    }

    /// Returns whether there is something to send, or a close.
    pub(crate) fn has_work(&self) -> bool {
        let is_closing = match &self.sink {
            Sink::Task(_) => false,
            Sink::Socket(socket) => socket.is_closing,
        };
        let must_close = self.queue.close_code().is_some() && !is_closing;
        // A task that takes the frames also asks for the next portion of a replay.
        let must_ask = matches!(self.sink, Sink::Task(_)) && self.queue.takes_portion();
        !self.queue.is_empty() || !self.backlogs.is_empty() || must_close || must_ask
    }

    pub(crate) fn socket(&mut self) -> Option<&mut ClientSocket> {
        match &mut self.sink {
            Sink::Task(_) => None,
            Sink::Socket(socket) => Some(socket),
        }
    }

    /// Returns the socket, unless a task takes the frames.
    pub(crate) fn shared_socket(&self) -> Option<Arc<SharedSocket>> {
        match &self.sink {
            Sink::Task(_) => None,
            Sink::Socket(socket) => Some(Arc::clone(&socket.socket)),
        }
    }

    /// Returns whether frames of a unit were taken before its end.
    pub(crate) fn has_begun(&self, unit: &Arc<Unit>) -> bool {
        self.open_unit
            .as_ref()
            .is_some_and(|begun| Arc::ptr_eq(begun, unit))
    }

    pub(crate) fn has_id(&self, id: &Id) -> bool {
        self.subscriptions.iter().any(|s| s.has_id(id))
    }

    pub(crate) fn subscription(&self, key: SubscriberKey) -> Option<&Subscription> {
        self.subscriptions.iter().find(|s| s.key == key)
    }

    /// Returns how the connection ends: with a frame before the close, if any, and a close code.
    pub(crate) fn farewell(&mut self, code: CloseCode) -> (Option<Frame>, CloseCode) {
        match (code, self.dialect) {
            (CloseCode::GoingAway, Some(Dialect::V1)) => {
                let is_first = !std::mem::replace(&mut self.has_sent_goodbye, true);
                (is_first.then(v1::goodbye), CloseCode::Draining)
            }
            _ => (None, code),
        }
    }
}

impl Subscription {
    /// Returns how many of the client's subscriptions it counts as.
    pub(crate) fn count(&self) -> usize {
        self.names.len().max(1)
    }

    pub(crate) fn has_id(&self, id: &Id) -> bool {
        self.ids().any(|own| own == id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.names.iter().map(|name| &name.id)
    }

    /// Returns the ids that it had when an event came.
    pub(crate) fn ids_at(&self, event: u64) -> impl Iterator<Item = &Id> {
        let names = self.names.iter();
        names
            .filter(move |name| name.min_event < event)
            .map(|name| &name.id)
    }
}
