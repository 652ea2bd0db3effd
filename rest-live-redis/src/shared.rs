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
    queue::{Pushed, Queue},
    reconnecting::Line,
    script::Scripts,
};

/// How long a lease lasts: a node that does not refresh it so long is lost.
const TERM: Duration = Duration::from_secs(5);
/// If no node refreshed for so long, it was Redis that was away.
const PAUSE: Duration = Duration::from_millis(2500);

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) scripts: Scripts,
    /// For all but appending and tails, which would wait for each other.
    pub(crate) line: Line,
    pub(crate) name: String,
    /// Locked for moments, as all here.
    pub(crate) queue: Mutex<Queue>,
    pub(crate) pushed: Notify,
    /// Since when Redis answers, but refuses to write: it has no memory left, or no disk.
    refused: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            scripts: Scripts::new(address.prefix.clone(), address.keep),
            line: Line::new(address.client.clone()),
            address,
            name: Epoch::random().to_string(),
            queue: Mutex::default(),
            pushed: Notify::new(),
            refused: Mutex::default(),
        }
    }

    pub(crate) fn push(&self, events: Vec<String>) -> Pushed {
        let pushed = lock(&self.queue).push(events);
        self.pushed.notify_one();
        pushed
    }

    /// Says that Redis does not take what waits: nobody else waits for it until it does.
    pub(crate) fn away(&self, why: &dyn fmt::Display) {
        if lock(&self.queue).away() {
            tracing::warn!(%why, "Redis is away: events wait for it");
        }
    }

    /// Returns for how long Redis has refused to write.
    pub(crate) fn refused(&self) -> Duration {
        lock(&self.refused).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Notes that Redis does write.
    pub(crate) fn accepted(&self) {
        *lock(&self.refused) = None;
    }

    /// Notes whether a node's lease could be refreshed.
    pub(crate) fn note(&self, refreshed: &RedisResult<()>) {
        let is_refusal = |error: &RedisError| {
            matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        };
        let mut refused = lock(&self.refused);
        match refreshed {
            Err(error) if is_refusal(error) => _ = refused.get_or_insert_with(Instant::now),
            _ => *refused = None,
        }
    }

    /// Refreshes the lease, or takes one.
    pub(crate) async fn refresh(&self) -> RedisResult<()> {
        let (term, pause) = (TERM.as_millis() as u64, PAUSE.as_millis() as u64);
        let lease = self.scripts.lease(&self.name, term, pause);
        let lost: u64 = self.line.ask(&lease).await?;
        if lost > 0 {
            tracing::warn!(
                nodes = lost,
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
