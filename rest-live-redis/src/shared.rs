//! What the tasks and the tails of a node share.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{ErrorKind, RedisError, RedisResult};
use rest_live_runtime::Epoch;
use tokio::{sync::Notify, time::Instant};

use crate::{
    address::Address,
    queue::{PushOutcome, Queue},
    reconnecting_connection::ReconnectingConnection,
    script::Scripts,
};

/// How long a lease lasts: a node that does not refresh it so long is lost.
const LEASE_DURATION: Duration = Duration::from_secs(5);
/// If no node refreshed for so long, it was Redis that was away.
const MAX_REFRESH_PAUSE: Duration = Duration::from_millis(2500);

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) scripts: Scripts,
    /// For all but appending and tails, which would wait for each other.
    pub(crate) connection: ReconnectingConnection,
    pub(crate) name: String,
    /// Locked for moments, as all here.
    pub(crate) queue: Mutex<Queue>,
    pub(crate) pushed: Notify,
    /// Since when Redis answers, but refuses to write: it has no memory left, or no disk.
    refusing_since: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            scripts: Scripts::new(address.prefix.clone(), address.keep),
            connection: ReconnectingConnection::new(address.client.clone()),
            address,
            name: Epoch::random().to_string(),
            queue: Mutex::default(),
            pushed: Notify::new(),
            refusing_since: Mutex::default(),
        }
    }

    pub(crate) fn push(&self, events: Vec<String>) -> PushOutcome {
        let outcome = lock(&self.queue).push(events);
        self.pushed.notify_one();
        outcome
    }

    /// Says that Redis does not take what waits: nobody else waits for it until it does.
    pub(crate) fn mark_unavailable(&self, reason: &dyn fmt::Display) {
        if lock(&self.queue).mark_unavailable() {
            tracing::warn!(%reason, "Redis is away: events wait for it");
        }
    }

    /// Returns for how long Redis has refused to write.
    pub(crate) fn refused_for(&self) -> Duration {
        lock(&self.refusing_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Notes that Redis does write.
    pub(crate) fn clear_refusal(&self) {
        *lock(&self.refusing_since) = None;
    }

    /// Notes whether a node's lease could be refreshed.
    pub(crate) fn record_refresh(&self, refreshed: &RedisResult<()>) {
        let is_refusal = |error: &RedisError| {
            matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        };
        let mut refusing_since = lock(&self.refusing_since);
        match refreshed {
            Err(error) if is_refusal(error) => _ = refusing_since.get_or_insert_with(Instant::now),
            _ => *refusing_since = None,
        }
    }

    /// Refreshes the lease, or takes one.
    pub(crate) async fn refresh_lease(&self) -> RedisResult<()> {
        let (duration, max_pause) = (
            LEASE_DURATION.as_millis() as u64,
            MAX_REFRESH_PAUSE.as_millis() as u64,
        );
        let lease = self.scripts.lease(&self.name, duration, max_pause);
        let lost_nodes: u64 = self.connection.query(&lease).await?;
        if lost_nodes > 0 {
            tracing::warn!(
                nodes = lost_nodes,
                "nodes ended without a goodbye: all subscribers are told to fetch again"
            );
        }
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
