//! [`Node`]: one node of a log, and the tasks that append its events and keep its lease.

use std::{mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rest_live_runtime::Cursor;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    address::Address, backoff::Backoff, reconnecting_connection::ReconnectingConnection,
    shared::Shared,
};

/// How often a node refreshes its lease.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long leaving waits until Redis has all events.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// One node of a log. Its tasks stop when it is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    /// A position that the log had reached when this node opened it.
    pub(crate) opened_at: Option<Cursor>,
    append_task: Mutex<JoinSet<()>>,
    lease_task: Mutex<JoinSet<()>>,
}

impl Node {
    /// Creates a node without a lease and without running tasks.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            shared: Arc::new(Shared::new(address)),
            opened_at: None,
            append_task: Mutex::default(),
            lease_task: Mutex::default(),
        }
    }

    /// Starts the tasks.
    pub(crate) fn start(&self) {
        self.append_task
            .lock()
            .spawn(append_queued(Arc::clone(&self.shared)));
        self.lease_task
            .lock()
            .spawn(keep_lease(Arc::clone(&self.shared)));
        self.lease_task
            .lock()
            .spawn(keep_lease_connection(Arc::clone(&self.shared)));
    }

    /// Waits until Redis has the events appended so far, and releases the lease. Later events are
    /// still appended, but no other node notices if this process dies with them. A node that could
    /// not append everything keeps its lease, so that it expires and the other nodes reset their
    /// clients.
    pub(crate) async fn leave(&self) {
        let flushed = self.shared.queue.lock().flushed();
        let is_flushed = timeout(LEAVE_TIMEOUT, flushed).await.is_ok();
        let mut lease_task = std::mem::take(&mut *self.lease_task.lock());
        lease_task.shutdown().await;
        self.shared.lease.leave();
        if is_flushed {
            self.shared.lease.finish().await;
            let leave = self.shared.scripts.leave(&self.shared.name);
            if let Err(error) = self.shared.connection.query::<u64>(&leave).await {
                tracing::warn!(
                    %error,
                    "this node stops, but could not release its lease in Redis: when the lease \
                     expires, the subscribers of the other nodes receive a reset"
                );
            }
        } else {
            tracing::error!(
                "this node stops before Redis has all of its events, which may be lost: when its \
                 lease expires, the subscribers of the other nodes receive a reset"
            );
        }
    }
}

async fn append_queued(shared: Arc<Shared>) {
    let connection = ReconnectingConnection::new(shared.address.client.clone());
    let mut backoff = Backoff::default();
    loop {
        let batch = shared.queue.lock().batch();
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
                shared.acknowledge(batch.last_number);
            }
            Err(error) => shared.mark_unavailable(&error),
        }
    }
}

/// Opens the connection for the reports of the lease again whenever it is broken.
async fn keep_lease_connection(shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    loop {
        if shared.lease.is_open() {
            backoff.reset();
            shared.lease.broken.notified().await;
            continue;
        }
        backoff.wait().await;
        if let Err(error) = shared.lease.open(&shared.scripts).await {
            tracing::debug!(%error, "opening the connection for leases failed; it is retried");
        }
    }
}

async fn keep_lease(shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    let mut last_report = 0;
    loop {
        sleep(REFRESH_INTERVAL).await;
        let mut was_late = false;
        // The report that Redis must have executed by now. A report of this refresh may still be
        // on its way.
        let expected = mem::replace(&mut last_report, shared.lease.repeat(&shared.scripts));
        loop {
            backoff.wait().await;
            let refreshed = shared.refresh_lease(was_late).await;
            shared.record_refresh(&refreshed);
            match refreshed {
                Ok(report) => {
                    shared.lease.check(report, expected);
                    break;
                }
                Err(error) => {
                    was_late = true;
                    tracing::debug!(%error, "refreshing the lease of this node failed; it is retried");
                }
            }
        }
        backoff.reset();
    }
}
