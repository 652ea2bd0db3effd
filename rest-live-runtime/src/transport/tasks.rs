//! The tasks that serve the connections of one `Live`. They are counted, awaited and aborted
//! together.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionTasks {
    tasks: TaskTracker,
    /// Canceled when every task must end at once.
    abort: CancellationToken,
}

impl ConnectionTasks {
    /// Spawns a task. It must end by itself when its session is closed or dropped; other futures
    /// are wrapped in [`until_aborted`](Self::until_aborted).
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Runs a future until it is done or the tasks are aborted; `None` means aborted.
    pub(crate) async fn until_aborted<F: Future>(&self, future: F) -> Option<F::Output> {
        self.abort.run_until_cancelled(future).await
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Declares that no more tasks will come.
    pub(crate) fn close(&self) {
        self.tasks.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.tasks.is_closed()
    }

    /// Waits until all tasks have ended, after [`close`](Self::close).
    pub(crate) async fn wait(&self) {
        self.tasks.wait().await;
    }

    /// Ends all tasks at once; the hub drops their sockets.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }
}
