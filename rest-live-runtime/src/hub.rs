//! The sessions of this node and their subscriptions, in shards.
//!
//! The dispatcher publishes into it, sessions subscribe in it; it waits for neither. A session belongs to one shard, one
//! for each thread of the runtime; what is about all sessions goes to each.

pub(crate) mod clients;
mod grant;
pub(crate) mod groups;
pub(crate) mod shard;
pub(crate) mod writer;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
};
use tokio_tungstenite::tungstenite::Bytes;

pub(crate) use self::grant::{Answers, Grant, Refused};
use self::{
    shard::{ClientId, Common, Outgoing, Serial, Shard, Subscribed},
    writer::socket::SharedSocket,
};
use crate::{
    data::{cursor::Cursor, granted::Granted, group_id::GroupId},
    limits::Limits,
    metrics::Metrics,
    model::permission::Identity,
    protocol::{
        code::{CloseCode, ResetReason},
        dialect::Dialect,
        frame::Frame,
        id::Id,
    },
};

/// Number of a session of this node, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId {
    shard: usize,
    peer: ClientId,
}

pub(crate) struct Hub {
    shards: Box<[Arc<Shard>]>,
    /// Counts sessions, to spread them.
    joined: AtomicUsize,
    common: Arc<Common>,
}

impl Hub {
    pub(crate) fn new(shards: usize, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let common = Arc::new(Common {
            limits,
            metrics,
            groups: Mutex::new(0),
            subscribed: watch::Sender::new(false),
        });
        let shard = |_| Arc::new(Shard::new(Arc::clone(&common)));
        Self {
            shards: (0..shards.max(1)).map(shard).collect(),
            joined: AtomicUsize::new(0),
            common,
        }
    }

    /// Starts the tasks that write to the sockets.
    pub(crate) fn start(&self, runtime: &Handle) -> Vec<AbortHandle> {
        let start = |shard: &Arc<Shard>| runtime.spawn(shard::run(Arc::clone(shard)));
        self.shards
            .iter()
            .map(start)
            .map(|task| task.abort_handle())
            .collect()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.common.limits
    }

    pub(crate) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    fn of(&self, session: SessionId) -> &Shard {
        &self.shards[session.shard]
    }

    /// Adds a session, whose frames are asked for with [`outgoing`](Self::outgoing). `dialect` is the one that it chose
    /// already. After [`close`](Self::close) it is closed at once.
    pub(crate) fn join(&self, user: Identity, dialect: Option<Dialect>) -> SessionId {
        let next = self.joined.fetch_add(1, Ordering::Relaxed);
        let turns = (0..self.shards.len()).map(|n| (next + n) % self.shards.len());
        let shard = turns.clone().find(|shard| self.shards[*shard].is_served());
        let shard = shard.unwrap_or(next % self.shards.len());
        let peer = self.shards[shard].join(user, dialect);
        SessionId { shard, peer }
    }

    /// Has a session's frames be written to a socket from now on. `pings` is whether its client gets some that it can see.
    pub(crate) fn attach(&self, session: SessionId, wire: Arc<SharedSocket>, pings: bool) {
        self.of(session)
            .with(|s| s.attach(session.peer, wire, pings));
    }

    /// Takes a session and its subscriptions out.
    pub(crate) fn leave(&self, session: SessionId) {
        self.of(session).leave(session.peer);
    }

    /// Takes out what waits for a session that has no socket here; `None` where nothing does.
    pub(crate) fn outgoing(&self, session: SessionId) -> Option<Outgoing> {
        self.of(session).with(|s| s.outgoing(session.peer))
    }

    /// Returns what is told when there is something to take out.
    pub(crate) fn told(&self, session: SessionId) -> Option<Arc<Notify>> {
        self.of(session).told(session.peer)
    }

    /// Subscribes a session to what happens in a group from now on: see [`shard`].
    ///
    /// # Errors
    /// Why the session cannot have it.
    pub(crate) fn subscribe(
        &self,
        session: SessionId,
        grant: Grant,
        answers: impl FnOnce(&Cursor, u64) -> Result<Answers, Refused>,
    ) -> Result<(), Refused> {
        self.of(session)
            .with(|s| s.subscribe(session.peer, grant, answers))
    }

    /// Ends the subscription of a session to a group, if there is one.
    pub(crate) fn unsubscribe(&self, session: SessionId, group: &GroupId) {
        let ended = self
            .of(session)
            .with(|s| s.unsubscribe(session.peer, group));
        drop(ended);
    }

    /// Ends what a session calls by an id, with the answer to that. Returns whether there was anything.
    pub(crate) fn unsubscribe_id(
        &self,
        session: SessionId,
        id: &Id,
        answer: Option<Frame>,
    ) -> bool {
        let shard = self.of(session);
        let ended = shard.with(|s| s.unsubscribe_id(session.peer, id, answer));
        !ended.is_empty()
    }

    /// Has the answer to a question take effect that was asked about a subscription: it goes on as
    /// granted, or ends, and its client is told `last`, which is made with its ids. Returns `None` if the
    /// answer is outdated, or whether the subscription has ended by it.
    pub(crate) fn settle(
        &self,
        session: SessionId,
        subscription: Serial,
        asked: u64,
        granted: Option<Granted>,
        last: impl FnOnce(&[Id]) -> Vec<Frame>,
    ) -> Option<bool> {
        let shard = self.of(session);
        let settled = shard.with(|s| s.settle(session.peer, subscription, asked, granted, last));
        settled.map(|ended| ended.is_some())
    }

    /// Returns whether a session calls something by an id.
    pub(crate) fn has_id(&self, session: SessionId, id: &Id) -> bool {
        self.of(session).with(|s| s.has_id(session.peer, id))
    }

    /// Queues what answers a request.
    pub(crate) fn answer(&self, session: SessionId, frame: Frame) {
        self.of(session).with(|s| s.answer(session.peer, frame));
    }

    /// Says that a session's socket may take more.
    pub(crate) fn writable(&self, session: SessionId) {
        self.of(session).with(|s| s.writable(session.peer));
    }

    /// Queues the pongs that a client is owed.
    pub(crate) fn pong(&self, session: SessionId, pongs: Bytes) {
        self.of(session).with(|s| s.pong(session.peer, pongs));
    }

    /// Ends a session whose client has closed, with the answer to that.
    pub(crate) fn closed_by_client(&self, session: SessionId, answer: Bytes) {
        self.of(session)
            .with(|s| s.closed_by_client(session.peer, answer));
    }

    /// Waits until what was taken out before is written.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn written(&self) {
        for shard in &self.shards {
            shard.written().await;
        }
    }

    /// Returns the subscriptions of a session.
    pub(crate) fn subscriptions_of(&self, session: SessionId) -> Vec<Subscribed> {
        self.of(session).with(|s| s.subscriptions_of(session.peer))
    }

    /// Returns the sessions and their users.
    pub(crate) fn users(&self) -> Vec<(SessionId, Identity)> {
        let mut users = Vec::new();
        for (shard, of) in self.shards.iter().enumerate() {
            let id = |(peer, user)| (SessionId { shard, peer }, user);
            of.with(|s| users.extend(s.users().map(id)));
        }
        users
    }

    /// Returns what an answer must be settled with that is asked for now.
    pub(crate) fn asking(&self, session: SessionId) -> u64 {
        self.of(session).with(|s| s.asking(session.peer))
    }

    /// Says that answers about these sessions' subscriptions that were asked for before hold no more.
    pub(crate) fn reauthorize(&self, sessions: &[SessionId]) {
        for session in sessions {
            self.of(*session).with(|s| s.reauthorize(session.peer));
        }
    }

    /// Returns whether anybody is subscribed to anything, from now on.
    pub(crate) fn subscribed(&self) -> watch::Receiver<bool> {
        self.common.subscribed.subscribe()
    }

    /// Takes note that what happened up to a cursor was handed out.
    pub(crate) fn begin(&self, cursor: &Cursor, turn: u64) {
        for shard in &self.shards {
            shard.with(|s| s.dispatching(cursor, turn, 0));
        }
    }

    /// Returns up to where the dispatcher has come, for a session, and the number of the batch.
    pub(crate) fn dispatched(&self, session: SessionId) -> Option<(Cursor, u64)> {
        self.of(session).with(|s| s.dispatched())
    }

    /// Tells every subscriber that changes were missed, and goes on behind a cursor, which may be
    /// another log's by now. Who has subscribed behind it has missed nothing. Returns how many sessions are told.
    pub(crate) fn reset(&self, cursor: &Cursor, turn: u64, reason: ResetReason) -> usize {
        let shards = self.shards.iter();
        let reset = |shard: &Arc<Shard>| shard.with(|s| s.reset(cursor, turn, reason));
        shards.map(reset).sum()
    }

    /// Takes note that the log cannot be reached, from now on or no more.
    pub(crate) fn set_stale(&self, is_stale: bool) {
        for shard in &self.shards {
            shard.with(|s| s.set_stale(is_stale));
        }
    }

    /// Closes a session once what is queued has left; who is not to come back gets nothing of that.
    pub(crate) fn close_session(&self, session: SessionId, code: CloseCode) {
        self.of(session)
            .with(|s| s.close_session(session.peer, code));
    }

    /// Closes every session, now and from now on.
    pub(crate) fn close(&self, code: CloseCode) {
        for shard in &self.shards {
            shard.with(|s| s.close(code));
        }
    }

    /// Drops every socket, now and from now on.
    pub(crate) fn abandon(&self) {
        for shard in &self.shards {
            shard.with(|s| s.abandon());
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:?}", self.shard, self.peer)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} shards)", self.shards.len())
    }
}
