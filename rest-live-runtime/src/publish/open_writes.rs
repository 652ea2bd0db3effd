//! The writes whose events may not be in the log yet, and their announcement to a shared log.
//!
//! If this process dies while a write is open, its change may be committed and its event lost. The
//! other nodes can notice this only if the log knows of the write before it is committed. So the
//! first open write is announced to the log, and the announcement is retracted when none is left.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;

use super::order::Order;
use crate::log::EventLog;

/// Counts the open writes of one `Live`.
#[derive(Debug)]
pub(crate) struct OpenWrites {
    log: Arc<dyn EventLog>,
    order: Arc<Order>,
    needs_announcement: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of open writes, without those of which only an interval is open.
    count: usize,
    /// Whether the log holds an announcement.
    is_announced: bool,
    /// The announcement while it is being sent. Every write waits for it.
    announcing: Option<Shared<BoxFuture<'static, ()>>>,
}

/// An open write. If it is dropped without [`end`](Self::end), for example because the runtime
/// ends, it is unknown what was committed: the announcement is then never retracted.
#[derive(Debug)]
#[must_use = "a write that does not end counts as lost"]
pub(crate) struct OpenWrite {
    writes: Arc<OpenWrites>,
    announcing: Option<Shared<BoxFuture<'static, ()>>>,
}

impl OpenWrites {
    pub(crate) fn new(log: Arc<dyn EventLog>, order: Arc<Order>) -> Arc<Self> {
        Arc::new(Self {
            needs_announcement: log.is_shared() && log.transactional().is_none(),
            log,
            order,
            state: Mutex::default(),
        })
    }

    /// Opens a write. Returns `None` if the log needs no announcements: events in the memory of
    /// this process die with its clients, and events in the database commit with their rows.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<OpenWrite> {
        if !self.needs_announcement {
            return None;
        }
        let mut state = self.state.lock();
        state.count += 1;
        if !state.is_announced {
            state.is_announced = true;
            // Called under the lock, so that the log receives these calls in their order.
            state.announcing = self.log.begin_writes().map(FutureExt::shared);
        }
        if state
            .announcing
            .as_ref()
            .is_some_and(|announcing| announcing.peek().is_some())
        {
            state.announcing = None;
        }
        Some(OpenWrite {
            writes: Arc::clone(self),
            announcing: state.announcing.clone(),
        })
    }

    /// Announces a write that has an open interval: the announcement holds until the interval ends.
    /// Returns the announcement if it is still being sent.
    pub(crate) fn announce(self: &Arc<Self>) -> Option<Shared<BoxFuture<'static, ()>>> {
        let open = self.begin()?;
        let announcing = open.announcing.clone();
        open.end();
        announcing
    }

    /// Retracts the announcement if nothing is open. The interval of a write whose statement ran,
    /// but whose second hook did not, is still open.
    pub(crate) fn retract_if_idle(&self) {
        let mut state = self.state.lock();
        if state.is_announced && state.count == 0 && !self.order.has_open_interval() {
            state.is_announced = false;
            state.announcing = None;
            self.log.end_writes();
        }
    }
}

impl OpenWrite {
    /// Waits until the log has the announcement, or cannot be reached.
    pub(crate) async fn announced(&mut self) {
        if let Some(announcing) = self.announcing.take() {
            announcing.await;
        }
    }

    /// Closes the write: nothing was committed, or its events were passed to the log.
    pub(crate) fn end(self) {
        self.writes.state.lock().count -= 1;
        self.writes.retract_if_idle();
    }
}

#[cfg(test)]
mod tests;
