//! One subscription of one session to one group.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tracing::Span;

use crate::{
    change::Granted,
    dialect::{Dialect, Id},
    group::GroupKey,
    outbox::{Outbox, Standing},
    permission::Identity,
};

/// What the dispatcher needs to know of a subscriber.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) group: GroupKey,
    pub(crate) dialect: Dialect,
    pub(crate) user: Identity,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) standing: Standing,
    /// Lives as long as the subscription.
    pub(crate) span: Span,
    /// What happened up to this position of the log is not its business.
    after: AtomicU64,
    /// What the client calls it: nothing in the plain dialect, one or more names elsewhere.
    ids: Mutex<Vec<Id>>,
}

impl Subscription {
    pub(crate) fn new(
        group: GroupKey,
        dialect: Dialect,
        user: Identity,
        outbox: Arc<Outbox>,
        span: Span,
        granted: Granted,
        after: u64,
    ) -> Self {
        Self {
            group,
            dialect,
            user,
            outbox,
            standing: Standing::new(granted),
            span,
            after: AtomicU64::new(after),
            ids: Mutex::default(),
        }
    }

    /// Reads a word of all that telling it something will read: see the dispatcher.
    pub(crate) fn touch(&self) -> usize {
        Arc::strong_count(&self.outbox) + self.user.touch()
    }

    /// Returns whether what happened at a position of the log is its business.
    pub(crate) fn concerns(&self, position: u64) -> bool {
        position > self.begins()
    }

    /// Returns the position of the log behind which it began.
    pub(crate) fn begins(&self) -> u64 {
        self.after.load(Ordering::Relaxed)
    }

    /// Goes on behind a position of the log.
    pub(crate) fn go_on_after(&self, position: u64) {
        self.after.store(position, Ordering::Relaxed);
    }

    /// Returns what the client calls it.
    pub(crate) fn ids(&self) -> MutexGuard<'_, Vec<Id>> {
        // Nothing panics while it is held.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many of the client's subscriptions it is.
    pub(crate) fn count(&self) -> usize {
        self.ids().len().max(1)
    }
}
