//! What a node does beside what it is asked for: append what waits, and keep its lease.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    address::Address,
    backoff::Backoff,
    reconnecting_connection::ReconnectingConnection,
    shared::{Shared, lock},
};

/// How often a node refreshes its lease.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long a goodbye waits for Redis to have everything.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// One node of a log: what its handles share. Its tasks end with it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    append_task: Mutex<JoinSet<()>>,
    lease_task: Mutex<JoinSet<()>>,
}

impl Node {
    /// Begins a node. It has no lease yet.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            shared: Arc::new(Shared::new(address)),
            append_task: Mutex::default(),
            lease_task: Mutex::default(),
        }
    }

    /// Starts its tasks.
    pub(crate) fn start(&self) {
        lock(&self.append_task).spawn(append_queued(Arc::clone(&self.shared)));
        lock(&self.lease_task).spawn(keep_lease(Arc::clone(&self.shared)));
    }

    /// Waits until what was appended so far is in Redis, and gives up the lease. What comes later is appended, too, and nobody
    /// notices if it is lost with this process. A node that could not append everything leaves its lease behind, so that the
    /// others tell their clients.
    pub(crate) async fn leave(&self) {
        let flushed = lock(&self.shared.queue).flushed();
        let is_flushed = timeout(LEAVE_TIMEOUT, flushed).await.is_ok();
        let mut lease_task = std::mem::take(&mut *lock(&self.lease_task));
        lease_task.shutdown().await;
        if is_flushed {
            let leave = self.shared.scripts.leave(&self.shared.name);
            if let Err(error) = self.shared.connection.query::<u64>(&leave).await {
                tracing::warn!(%error, "the other nodes were not told that this one leaves the log");
            }
        } else {
            tracing::error!("this node leaves the log before Redis has all of its events");
        }
    }
}

async fn append_queued(shared: Arc<Shared>) {
    let connection = ReconnectingConnection::new(shared.address.client.clone());
    let mut backoff = Backoff::default();
    loop {
        let batch = lock(&shared.queue).batch();
        let Some(batch) = batch else {
            shared.pushed.notified().await;
            continue;
        };
        backoff.wait().await;
        let entries = batch.entries();
        let append = shared
            .scripts
            .append(&shared.name, batch.first_number, entries);
        match connection.query::<u64>(&append).await {
            Ok(_) => {
                backoff.reset();
                let mut queue = lock(&shared.queue);
                if queue.is_unavailable() {
                    tracing::info!("Redis is there again: what waited is appended");
                }
                queue.acknowledge(batch.last_number);
            }
            Err(error) => shared.mark_unavailable(&error),
        }
    }
}

async fn keep_lease(shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    loop {
        sleep(REFRESH_INTERVAL).await;
        loop {
            backoff.wait().await;
            let refreshed = shared.refresh_lease().await;
            shared.record_refresh(&refreshed);
            match refreshed {
                Ok(()) => break,
                Err(error) => tracing::debug!(%error, "the lease of this node cannot be refreshed"),
            }
        }
        backoff.reset();
    }
}
