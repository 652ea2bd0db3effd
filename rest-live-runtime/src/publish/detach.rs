//! A future that completes even if its caller drops it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tracing::{Instrument, Span};

/// A write that runs where it is awaited, and continues in a task if it is dropped before its end.
///
/// It is not a task from the beginning. Waking a task, and being woken by it, would cost time for
/// every write; a worker with two tasks also wakes another worker.
pub(crate) struct Detached<'t, T: 'static> {
    /// `None` after the end.
    write: Option<BoxFuture<'static, T>>,
    tasks: &'t TaskTracker,
    runtime: Handle,
    span: Span,
    /// Makes [`TaskTracker::wait`] wait for this write before it is a task.
    _tracked: TaskTrackerToken,
}

impl<'t, T> Detached<'t, T> {
    /// Wraps a write. The caller must poll it at once: from here on it always completes.
    pub(crate) fn new(
        write: BoxFuture<'static, T>,
        tasks: &'t TaskTracker,
        runtime: Handle,
    ) -> Self {
        Self {
            write: Some(write),
            tasks,
            runtime,
            span: Span::current(),
            _tracked: tasks.token(),
        }
    }
}

impl<T> Future for Detached<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out first: a write that panics must not be polled again.
        let mut write = self
            .write
            .take()
            .expect("a future is not polled after its end");
        let output = write.as_mut().poll(context);
        if output.is_pending() {
            self.write = Some(write);
        }
        output
    }
}

impl<T> Drop for Detached<'_, T> {
    fn drop(&mut self) {
        if let Some(write) = self.write.take() {
            let write = write.map(drop).instrument(self.span.clone());
            self.tasks.spawn_on(write, &self.runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use tokio::sync::oneshot;

    use super::*;

    fn detached<'t, T>(
        tasks: &'t TaskTracker,
        write: impl Future<Output = T> + Send + 'static,
    ) -> Detached<'t, T> {
        Detached::new(write.boxed(), tasks, Handle::current())
    }

    #[tokio::test]
    async fn dropped_write_completes_and_is_tracked() {
        let tasks = TaskTracker::new();
        tasks.close();
        let (answer, answered) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let mut write = detached(&tasks, async move {
            answered.await.expect("the answer is sent");
            end.send(()).expect("the test waits");
        });
        assert!((&mut write).now_or_never().is_none());
        assert!(tasks.wait().now_or_never().is_none(), "while it is awaited");
        drop(write);
        assert!(tasks.wait().now_or_never().is_none(), "after the drop");
        answer.send(()).expect("the write still runs");
        tasks.wait().await;
        ended.await.expect("the write completed");
    }

    #[tokio::test]
    async fn completed_write_spawns_no_task() {
        let tasks = TaskTracker::new();
        assert_eq!(detached(&tasks, async { 7 }).await, 7);
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn panic_reaches_the_caller_once() {
        let tasks = TaskTracker::new();
        let write = detached(&tasks, async {
            tokio::task::yield_now().await;
            panic!("a column");
        });
        let outcome: Result<(), _> = AssertUnwindSafe(write).catch_unwind().await;
        assert!(outcome.is_err());
        assert!(
            tasks.is_empty(),
            "a write that panicked is not polled again"
        );
    }
}
