//! How a subscription stands.

use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::change::Granted;

/// How a subscription stands: what it may be shown, and whether it is over. It changes under the lock
/// of its outbox only, so that nothing that was decided by an earlier standing is published after.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(super) granted: AtomicU64,
    pub(super) over: AtomicBool,
}

impl Standing {
    pub(crate) fn new(granted: Granted) -> Self {
        Self {
            granted: AtomicU64::new(granted.to_bits()),
            over: AtomicBool::new(false),
        }
    }

    /// Returns the serializers that the subscription may be shown rows by.
    pub(crate) fn granted(&self) -> Granted {
        Granted::from_bits(self.granted.load(Ordering::Relaxed))
    }

    /// Tells subscriptions apart, as long as they are there.
    pub(super) fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}
