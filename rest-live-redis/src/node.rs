//! What a node does beside what it is asked for: append what waits, and keep its lease.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{ErrorKind, RedisError, RedisResult};
use rest_live_runtime::Epoch;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    address::Address,
    backoff::Backoff,
    connection::Line,
    queue::{Pushed, Queue},
    script::Scripts,
};

/// How often a node refreshes its lease.
const REFRESH: Duration = Duration::from_secs(1);
/// How long a lease lasts: a node that does not refresh it so long is lost.
const TERM: Duration = Duration::from_secs(5);
/// If no node refreshed for so long, it was Redis that was away.
const PAUSE: Duration = Duration::from_millis(2500);
/// How long a goodbye waits for Redis to have everything.
const GOODBYE: Duration = Duration::from_secs(5);

/// One node of a log: what its handles share. Its tasks end with it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    appending: Mutex<JoinSet<()>>,
    lease: Mutex<JoinSet<()>>,
}

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) scripts: Scripts,
    /// For all but appending and tails, which would wait for each other.
    pub(crate) line: Line,
    name: String,
    /// Locked for moments, as all here.
    queue: Mutex<Queue>,
    pushed: Notify,
    /// Since when Redis answers, but refuses to write: it has no memory left, or no disk.
    refused: Mutex<Option<Instant>>,
}

impl Node {
    /// Begins a node. It has no lease yet.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            shared: Arc::new(Shared {
                scripts: Scripts::new(address.prefix.clone(), address.keep),
                line: Line::new(address.client.clone()),
                address,
                name: Epoch::random().to_string(),
                queue: Mutex::default(),
                pushed: Notify::new(),
                refused: Mutex::default(),
            }),
            appending: Mutex::default(),
            lease: Mutex::default(),
        }
    }

    /// Starts its tasks.
    pub(crate) fn start(&self) {
        lock(&self.appending).spawn(append(Arc::clone(&self.shared)));
        lock(&self.lease).spawn(keep_lease(Arc::clone(&self.shared)));
    }

    /// Waits until what was appended so far is in Redis, and gives up the lease. What comes later is appended, too, and nobody
    /// notices if it is lost with this process. A node that could not append everything leaves its lease behind, so that the
    /// others tell their clients.
    pub(crate) async fn leave(&self) {
        let flushed = lock(&self.shared.queue).flushed();
        let is_flushed = timeout(GOODBYE, flushed).await.is_ok();
        let mut lease = std::mem::take(&mut *lock(&self.lease));
        lease.shutdown().await;
        if is_flushed {
            let leave = self.shared.scripts.leave(&self.shared.name);
            if let Err(error) = self.shared.line.ask::<u64>(&leave).await {
                tracing::warn!(%error, "the other nodes were not told that this one leaves the log");
            }
        } else {
            tracing::error!("this node leaves the log before Redis has all of its events");
        }
    }
}

impl Shared {
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
    fn note(&self, refreshed: &RedisResult<()>) {
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

async fn append(shared: Arc<Shared>) {
    let line = Line::new(shared.address.client.clone());
    let mut backoff = Backoff::default();
    loop {
        let batch = lock(&shared.queue).batch();
        let Some(batch) = batch else {
            shared.pushed.notified().await;
            continue;
        };
        backoff.wait().await;
        let entries = batch.entries();
        let append = shared.scripts.append(&shared.name, batch.first, entries);
        match line.ask::<u64>(&append).await {
            Ok(_) => {
                backoff.reset();
                let mut queue = lock(&shared.queue);
                if queue.is_away() {
                    tracing::info!("Redis is there again: what waited is appended");
                }
                queue.done(batch.last);
            }
            Err(error) => shared.away(&error),
        }
    }
}

async fn keep_lease(shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    loop {
        sleep(REFRESH).await;
        loop {
            backoff.wait().await;
            let refreshed = shared.refresh().await;
            shared.note(&refreshed);
            match refreshed {
                Ok(()) => break,
                Err(error) => tracing::debug!(%error, "the lease of this node cannot be refreshed"),
            }
        }
        backoff.reset();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
