//! The clients of this node and their subscriptions, in shards.
//!
//! The dispatcher publishes into the hub, and sessions subscribe in it; the hub waits for neither.
//! There is one shard for each thread of the runtime, and a session belongs to one shard.

pub(crate) mod clients;
mod context;
pub(crate) mod groups;
pub(crate) mod ids;
pub(crate) mod new_subscription;
pub(crate) mod published;
mod session_handle;
pub(crate) mod shard;
pub(crate) mod writer;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

pub(crate) use self::session_handle::SessionHandle;
use self::{
    context::{HubContext, LogDemand},
    published::Published,
    shard::{Shard, State},
};
use crate::{
    data::cursor::Cursor,
    limits::Limits,
    metrics::Metrics,
    model::permission::Identity,
    protocol::{
        code::{CloseCode, ResetReason},
        dialect::Dialect,
    },
};

pub(crate) struct Hub {
    shards: Box<[Arc<Shard>]>,
    /// Number of sessions so far; spreads them over the shards.
    joined: AtomicUsize,
    context: Arc<HubContext>,
}

impl Hub {
    /// Creates a hub. `published` is how far the dispatcher has published the log.
    pub(crate) fn new(
        shards: usize,
        limits: Limits,
        metrics: Arc<Metrics>,
        published: watch::Receiver<Option<Published>>,
    ) -> Self {
        let context = Arc::new(HubContext::new(limits, metrics, published));
        let shard = |_| Arc::new(Shard::new(Arc::clone(&context)));
        Self {
            shards: (0..shards.max(1)).map(shard).collect(),
            joined: AtomicUsize::new(0),
            context,
        }
    }

    /// Starts the tasks that write to the sockets.
    pub(crate) fn start(&self, runtime: &Handle) -> Vec<AbortHandle> {
        let start = |shard: &Arc<Shard>| {
            let writer = runtime.spawn(writer::run(Arc::clone(shard)));
            writer.abort_handle()
        };
        self.shards.iter().map(start).collect()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.context.limits
    }

    pub(crate) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Adds a session. Its frames are taken with [`SessionHandle::outgoing`] until a socket is
    /// attached.
    /// `dialect` is the one that it has chosen already. After [`close`](Self::close) the session is
    /// closed at once.
    pub(crate) fn join(&self, user: Option<Identity>, dialect: Option<Dialect>) -> SessionHandle {
        let next = self.joined.fetch_add(1, Ordering::Relaxed);
        let mut candidates = (0..self.shards.len()).map(|n| (next + n) % self.shards.len());
        let index = candidates.find(|index| self.shards[*index].is_served());
        let shard = &self.shards[index.unwrap_or(next % self.shards.len())];
        SessionHandle::new(Arc::clone(shard), shard.join(user, dialect))
    }

    /// Waits until clients that are behind can take the next portion of what they missed, and
    /// returns their sessions.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost if the future is dropped.
    pub(crate) async fn catching_up(&self) -> Vec<SessionHandle> {
        loop {
            let mut sessions = Vec::new();
            for shard in &self.shards {
                let handle = |id| SessionHandle::new(Arc::clone(shard), id);
                let clients = shard.with(State::take_catching_up);
                sessions.extend(clients.into_iter().map(handle));
            }
            if !sessions.is_empty() {
                return sessions;
            }
            self.context.catching_up.notified().await;
        }
    }

    /// Returns the sessions that have a user, and their users.
    pub(crate) fn users(&self) -> Vec<(SessionHandle, Identity)> {
        let mut users = Vec::new();
        for shard in &self.shards {
            let handle = |(id, user)| (SessionHandle::new(Arc::clone(shard), id), user);
            shard.with(|state| users.extend(state.clients.users().map(handle)));
        }
        users
    }

    /// Waits until everything that was taken from the queues is written.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn written(&self) {
        for shard in &self.shards {
            shard.written().await;
        }
    }

    /// Follows whether this node has a subscription, or another reason to read the log at once.
    pub(crate) fn is_log_awaited(&self) -> watch::Receiver<bool> {
        self.context.is_log_awaited()
    }

    /// Lets the log be read at once, as for a subscriber, until the result is dropped.
    pub(crate) fn demand_log(&self) -> LogDemand {
        self.context.demand_log()
    }

    /// Records that everything up to a cursor was dispatched.
    pub(crate) fn begin(&self, cursor: &Cursor, batch_id: u64) {
        for shard in &self.shards {
            shard.with(|state| state.begin_batch(cursor, batch_id, 0));
        }
    }

    /// Sends a reset to every subscriber, and continues after a cursor, which may belong to another
    /// epoch of the log. Subscriptions that started after the cursor have missed nothing. Returns
    /// how many sessions receive a reset.
    pub(crate) fn reset(&self, cursor: &Cursor, batch_id: u64, reason: ResetReason) -> usize {
        let shards = self.shards.iter();
        let reset = |shard: &Arc<Shard>| shard.with(|s| s.reset(cursor, batch_id, reason));
        shards.map(reset).sum()
    }

    /// Records whether the log can be reached; clients of v1 receive `stale` or `live`.
    pub(crate) fn set_stale(&self, is_stale: bool) {
        for shard in &self.shards {
            shard.with(|state| state.clients.set_stale(is_stale));
        }
    }

    /// Closes every session, now and from now on.
    pub(crate) fn close(&self, code: CloseCode) {
        for shard in &self.shards {
            shard.with(|state| state.clients.close(code));
        }
    }

    /// Drops every socket, now and from now on.
    pub(crate) fn abandon(&self) {
        for shard in &self.shards {
            shard.with(State::abandon);
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} shards)", self.shards.len())
    }
}
