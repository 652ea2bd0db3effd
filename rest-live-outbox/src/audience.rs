//! [`Audience`]: whether a client waits for the events of a tail.

use std::{future, sync::Arc};

use tokio::sync::watch;

use crate::node::Node;

/// The clients that wait for the events of one tail. The node counts the tails with clients.
pub(crate) struct Audience {
    node: Arc<Node>,
    /// `None` if a client may wait at any time.
    has_subscribers: Option<watch::Receiver<bool>>,
    is_counted: bool,
}

impl Audience {
    pub(crate) fn new(node: &Arc<Node>, has_subscribers: Option<watch::Receiver<bool>>) -> Self {
        let mut audience = Self {
            node: Arc::clone(node),
            has_subscribers,
            is_counted: false,
        };
        audience.is_waiting();
        audience
    }

    /// Returns whether a client waits, and lets the node know.
    pub(crate) fn is_waiting(&mut self) -> bool {
        let is_waiting = match &mut self.has_subscribers {
            Some(has_subscribers) => *has_subscribers.borrow_and_update(),
            None => true,
        };
        self.count(is_waiting);
        is_waiting
    }

    /// Waits until the first client arrives. Never completes while one is here.
    pub(crate) async fn arrived(&mut self) {
        if !self.is_counted
            && let Some(has_subscribers) = &mut self.has_subscribers
            && has_subscribers
                .wait_for(|is_waiting| *is_waiting)
                .await
                .is_ok()
        {
            return;
        }
        future::pending::<()>().await;
    }

    fn count(&mut self, is_waiting: bool) {
        if is_waiting != self.is_counted {
            self.is_counted = is_waiting;
            self.node.awaited_tails.send_modify(|tails| {
                *tails = if is_waiting {
                    *tails + 1
                } else {
                    tails.saturating_sub(1)
                };
            });
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.count(false);
    }
}
