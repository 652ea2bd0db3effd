//! What the shards of a hub share.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{limits::Limits, metrics::Metrics};

#[derive(Debug)]
pub(crate) struct HubContext {
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Number of groups with a subscriber, in all shards.
    groups: Mutex<usize>,
    has_subscribers: watch::Sender<bool>,
    /// Notified when a client that is behind can take the next portion of a replay.
    pub(super) catching_up: Notify,
}

impl HubContext {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            limits,
            metrics,
            groups: Mutex::new(0),
            has_subscribers: watch::Sender::new(false),
            catching_up: Notify::new(),
        }
    }

    pub(crate) fn group_opened(&self) {
        let mut groups = self.groups.lock();
        *groups += 1;
        if *groups == 1 {
            self.has_subscribers.send_replace(true);
        }
    }

    pub(crate) fn group_closed(&self) {
        let mut groups = self.groups.lock();
        *groups -= 1;
        if *groups == 0 {
            self.has_subscribers.send_replace(false);
        }
    }

    /// Follows whether this node has any subscription.
    pub(crate) fn has_subscribers(&self) -> watch::Receiver<bool> {
        self.has_subscribers.subscribe()
    }

    #[cfg(test)]
    pub(crate) fn groups(&self) -> usize {
        *self.groups.lock()
    }
}
