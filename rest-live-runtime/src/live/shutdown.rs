//! Ends a `Live`: sends what is written, closes the clients, and leaves a shared log.

use std::time::Duration;

use tokio::time;

use super::{Inner, Live};
use crate::{hub::published::Published, log::Present, protocol::code::CloseCode};

/// How long a shutdown waits for open writes to be published. A write may never end.
const DRAIN_WRITES_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a shutdown waits for a shared log to record that this server leaves.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl<U: Send + Sync + 'static> Live<U> {
    /// Closes every session. Sessions that begin later are closed at once.
    ///
    /// Each client first receives the changes that were written before the call, then a close frame
    /// with code 1001. A client that speaks v1 instead receives `goodbye`, which contains a time
    /// window for reconnecting, and code 4503. The method returns when all connections have ended.
    /// After [`Limits::drain_timeout`](crate::Limits::drain_timeout), the server drops the
    /// remaining connections. If several servers share the log, the method then takes up to six
    /// more seconds to leave the log.
    ///
    /// Writes continue to work. Call this method before the HTTP server stops.
    ///
    /// # Cancel safety
    /// Not safe: if the future is dropped, open sessions may stay open. New sessions are refused in
    /// any case.
    pub async fn shutdown(&self) {
        let Inner {
            context,
            connections,
            ..
        } = &*self.inner;
        connections.close();
        let drain = time::timeout(context.limits.drain_timeout, async {
            _ = time::timeout(DRAIN_WRITES_TIMEOUT, self.inner.publisher.drain()).await;
            self.wait_until_dispatched().await;
            context.hub.close(CloseCode::GoingAway);
            connections.wait().await;
        });
        if drain.await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "clients did not close their connections within drain_timeout: the connections are dropped"
            );
            context.hub.close(CloseCode::GoingAway);
            connections.abort();
            context.hub.abandon();
            connections.wait().await;
        }
        if context.log.is_shared() {
            self.leave().await;
        }
    }

    /// Records in the log that this server leaves, unless events of it may be missing in the log.
    /// If events are missing, the other servers reset their clients.
    async fn leave(&self) {
        let context = &self.inner.context;
        let drain = time::timeout(DRAIN_WRITES_TIMEOUT, async {
            self.inner.publisher.drain().await;
            // Reading the log may start further rereads, unless the database orders the writes.
            if context.log.transactional().is_none() {
                self.wait_until_caught_up().await;
                self.inner.publisher.drain().await;
            }
        });
        match drain.await {
            Ok(()) => _ = time::timeout(LEAVE_TIMEOUT, context.log.leave()).await,
            Err(_) => tracing::warn!(
                "this server stops before all of its writes are in the event log: the subscribers of the other servers receive a reset"
            ),
        }
    }

    /// Waits until every event in the log has been dispatched to the sessions.
    pub(crate) async fn wait_until_dispatched(&self) {
        if !*self.inner.context.hub.is_log_awaited().borrow() {
            // No session receives anything, and the dispatcher reads the log only from time to
            // time.
            return;
        }
        self.wait_until_caught_up().await;
    }

    /// Waits until this server has read everything that is in the log now.
    async fn wait_until_caught_up(&self) {
        let context = &self.inner.context;
        let Ok(present) = context.log.present().await else {
            return;
        };
        let mut published = context.published.clone();
        // An error means that the dispatcher has ended: nothing more will come.
        _ = published
            .wait_for(|published| {
                let published = published.as_ref();
                published.is_some_and(|published| has_read(published, &present))
            })
            .await;
    }
}

/// Returns whether a server has read the log up to its present, also if it withholds events.
///
/// The head of the outbox is no condition: the last numbers may belong to transactions that were
/// rolled back, and then no event follows them.
fn has_read(published: &Published, present: &Present) -> bool {
    match present {
        // While the epochs differ, the tail has not reported the new epoch yet.
        Present::Position(head) => {
            published.cursor.epoch == head.epoch && published.cursor.position >= head.position
        }
        Present::Moment(moment) => published.as_of.is_some_and(|as_of| as_of >= *moment),
    }
}
