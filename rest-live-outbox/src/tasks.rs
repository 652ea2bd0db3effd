//! The tasks of a node: telling the others, hearing them, removing what is old. They end with their owner.

mod keep;
mod listen;
mod notify;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::sqlx::PgPool;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::node::Node;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Owns the tasks; dropped, they end.
#[derive(Debug)]
pub(crate) struct Tasks {
    tasks: Mutex<JoinSet<()>>,
    end: CancellationToken,
    _ends_with_it: DropGuard,
}

impl Tasks {
    pub(crate) fn spawn(node: &Arc<Node>, listening: Option<PgPool>) -> Self {
        let end = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(notify::run(Arc::clone(node), end.clone()));
        tasks.spawn(until(end.clone(), keep::run(Arc::clone(node))));
        if let Some(pool) = listening {
            tasks.spawn(until(end.clone(), listen::run(Arc::clone(node), pool)));
        }
        Self {
            tasks: Mutex::new(tasks),
            _ends_with_it: end.clone().drop_guard(),
            end,
        }
    }

    /// Ends them, and waits a little until they have.
    pub(crate) async fn end(&self) {
        self.end.cancel();
        // Nothing panics while it is held.
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        let ended = async { while tasks.join_next().await.is_some() {} };
        _ = timeout(GOODBYE, ended).await;
    }
}

async fn until(end: CancellationToken, task: impl Future<Output = ()>) {
    _ = end.run_until_cancelled(task).await;
}
