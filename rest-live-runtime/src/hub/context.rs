//! What the shards of a hub share.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::published::Published;
use crate::{limits::Limits, metrics::Metrics};

#[derive(Debug)]
pub(crate) struct HubContext {
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// How far the log is published; `None` until it has begun.
    pub(crate) published: watch::Receiver<Option<Published>>,
    /// Number of groups with a subscriber, in all shards, and of [`LogDemand`]s.
    demand: Mutex<usize>,
    /// Whether the log must be read at once.
    is_awaited: watch::Sender<bool>,
    /// Notified when a client that is behind can take the next portion of a replay.
    pub(super) catching_up: Notify,
}

/// While it exists, the log is read at once, as for a subscriber.
#[derive(Debug)]
pub(crate) struct LogDemand {
    context: Arc<HubContext>,
}

impl HubContext {
    pub(crate) fn new(
        limits: Limits,
        metrics: Arc<Metrics>,
        published: watch::Receiver<Option<Published>>,
    ) -> Self {
        Self {
            limits,
            metrics,
            published,
            demand: Mutex::new(0),
            is_awaited: watch::Sender::new(false),
            catching_up: Notify::new(),
        }
    }

    pub(crate) fn group_opened(&self) {
        self.raise_demand();
    }

    pub(crate) fn group_closed(&self) {
        self.lower_demand();
    }

    fn raise_demand(&self) {
        let mut demand = self.demand.lock();
        *demand += 1;
        if *demand == 1 {
            self.is_awaited.send_replace(true);
        }
    }

    fn lower_demand(&self) {
        let mut demand = self.demand.lock();
        *demand -= 1;
        if *demand == 0 {
            self.is_awaited.send_replace(false);
        }
    }

    /// Lets the log be read at once until the result is dropped.
    pub(crate) fn demand_log(self: &Arc<Self>) -> LogDemand {
        self.raise_demand();
        LogDemand {
            context: Arc::clone(self),
        }
    }

    /// Follows whether this node has a subscription, or another reason to read the log at once.
    pub(crate) fn is_log_awaited(&self) -> watch::Receiver<bool> {
        self.is_awaited.subscribe()
    }

    #[cfg(test)]
    pub(crate) fn groups(&self) -> usize {
        *self.demand.lock()
    }
}

impl Drop for LogDemand {
    fn drop(&mut self) {
        self.context.lower_demand();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_counts_like_a_subscription() {
        let (_published, receiver) = watch::channel(None);
        let context = HubContext::new(Limits::default(), Arc::new(Metrics::new()), receiver);
        let context = Arc::new(context);
        let is_awaited = context.is_log_awaited();
        let demand = context.demand_log();
        assert!(*is_awaited.borrow());
        context.group_opened();
        drop(demand);
        assert!(*is_awaited.borrow());
        context.group_closed();
        assert!(!*is_awaited.borrow());
    }
}
