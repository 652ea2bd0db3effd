//! The background tasks of a node: notify other nodes, listen to them, remove old events.

mod listen;
mod notify;
mod retention;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use sea_orm::sqlx::PgPool;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::node::Node;

/// How long stopping the tasks may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Owns the tasks and stops them when it is dropped.
#[derive(Debug)]
pub(crate) struct Tasks {
    tasks: Mutex<JoinSet<()>>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Tasks {
    pub(crate) fn spawn(node: &Arc<Node>, listen_pool: Option<PgPool>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(notify::run(Arc::clone(node), stop.clone()));
        tasks.spawn(run_until(stop.clone(), retention::run(Arc::clone(node))));
        if let Some(pool) = listen_pool {
            tasks.spawn(run_until(stop.clone(), listen::run(Arc::clone(node), pool)));
        }
        Self {
            tasks: Mutex::new(tasks),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Stops the tasks and waits up to [`STOP_TIMEOUT`] until they have ended.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        // No code panics while it holds this lock.
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        _ = timeout(STOP_TIMEOUT, ended).await;
    }
}

async fn run_until(stop: CancellationToken, task: impl Future<Output = ()>) {
    _ = stop.run_until_cancelled(task).await;
}
