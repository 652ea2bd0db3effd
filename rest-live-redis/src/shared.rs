//! The state that the tasks and tails of a node share.

use std::{fmt, time::Duration};

use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, RedisResult};
use rest_live_runtime::Epoch;
use tokio::{sync::Notify, time::Instant};

use crate::{
    address::Address,
    lease::Lease,
    queue::{PushOutcome, Queue},
    reconnecting_connection::ReconnectingConnection,
    script::Scripts,
};

/// How long a lease lasts. A node that does not refresh its lease in this time is lost.
const LEASE_DURATION: Duration = Duration::from_secs(5);
/// Maximum time between two refreshes of any lease. After a longer pause it was Redis that was
/// unavailable, and no node is marked as lost.
const MAX_REFRESH_PAUSE: Duration = Duration::from_millis(2500);

/// The state that the tasks and tails of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) scripts: Scripts,
    /// For all commands except appends and blocking reads, which have connections of their own so
    /// that they do not delay each other.
    pub(crate) connection: ReconnectingConnection,
    pub(crate) name: String,
    pub(crate) lease: Lease,
    /// Held only for moments, like every lock here.
    pub(crate) queue: Mutex<Queue>,
    pub(crate) pushed: Notify,
    /// Since when Redis has replied but refused to write, because it is out of memory or disk
    /// space.
    refusing_since: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(address: Address) -> Self {
        let name = Epoch::random().to_string();
        Self {
            lease: Lease::new(address.client.clone(), name.clone()),
            scripts: Scripts::new(address.prefix.clone(), address.keep),
            connection: ReconnectingConnection::new(address.client.clone()),
            address,
            name,
            queue: Mutex::default(),
            pushed: Notify::new(),
            refusing_since: Mutex::default(),
        }
    }

    pub(crate) fn push(&self, events: Vec<String>) -> PushOutcome {
        let outcome = {
            let mut queue = self.queue.lock();
            let was_empty = queue.is_empty();
            let outcome = queue.push(events);
            if was_empty && !queue.is_empty() {
                // Usually the write has reported it before.
                self.lease.hold(&self.scripts);
            }
            outcome
        };
        self.pushed.notify_one();
        outcome
    }

    /// Removes the events up to a number from the queue, which Redis now has. If the queue is empty
    /// then, Redis receives this before the writes return.
    pub(crate) fn acknowledge(&self, last_number: u64) {
        let mut queue = self.queue.lock();
        if queue.is_unavailable() {
            tracing::info!("Redis is available again: the queued events were appended");
        }
        if queue.ends_at(last_number) {
            self.lease.release(&self.scripts);
        }
        queue.acknowledge(last_number);
    }

    /// Records that Redis does not accept events. Appends no longer wait until it does.
    pub(crate) fn mark_unavailable(&self, reason: &dyn fmt::Display) {
        if self.queue.lock().mark_unavailable() {
            tracing::warn!(%reason, "Redis is unavailable: events wait in a queue of this process, and clients receive them when Redis is back");
        }
    }

    /// Returns how long Redis has refused to write.
    pub(crate) fn refused_for(&self) -> Duration {
        self.refusing_since
            .lock()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Records that Redis accepts writes.
    pub(crate) fn clear_refusal(&self) {
        *self.refusing_since.lock() = None;
    }

    /// Records whether the lease of this node could be refreshed.
    pub(crate) fn record_refresh(&self, refreshed: &RedisResult<u64>) {
        let is_refusal = |error: &RedisError| {
            matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        };
        let mut refusing_since = self.refusing_since.lock();
        match refreshed {
            Err(error) if is_refusal(error) => _ = refusing_since.get_or_insert_with(Instant::now),
            _ => *refusing_since = None,
        }
    }

    /// Takes or refreshes the lease of this node. `was_late`: an earlier attempt failed. Returns
    /// the number of this node's last report that Redis has executed.
    pub(crate) async fn refresh_lease(&self, was_late: bool) -> RedisResult<u64> {
        let (duration, max_pause) = (
            LEASE_DURATION.as_millis() as u64,
            MAX_REFRESH_PAUSE.as_millis() as u64,
        );
        let lease = self
            .scripts
            .lease(&self.name, duration, max_pause, was_late);
        let (lost_nodes, report): (u64, u64) = self.connection.query(&lease).await?;
        if lost_nodes > 0 {
            tracing::warn!(
                nodes = lost_nodes,
                "nodes stopped without leaving the log and may have lost events: all subscribers \
                 receive a reset"
            );
        }
        Ok(report)
    }
}
