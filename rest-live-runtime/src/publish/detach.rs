//! A write that comes to its end, whoever gives it up.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tracing::{Instrument, Span};

/// Runs where it is awaited, and goes on in a task if it is dropped before its end. No task from the beginning: to
/// wake it and to be woken by it is time of every write, and a worker that has two tasks wakes another worker.
pub(crate) struct Detached<'t, T: 'static> {
    /// `None` when it is over.
    write: Option<BoxFuture<'static, T>>,
    tasks: &'t TaskTracker,
    runtime: Handle,
    span: Span,
    /// Who waits for the tasks waits for it, too.
    _begun: TaskTrackerToken,
}

impl<'t, T> Detached<'t, T> {
    /// Begins a write that is polled at once: from here on it is not given up.
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
            _begun: tasks.token(),
        }
    }
}

impl<T> Future for Detached<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out: a write that panics is over.
        let mut write = self.write.take().expect("nobody polls it after its end");
        let answer = write.as_mut().poll(context);
        if answer.is_pending() {
            self.write = Some(write);
        }
        answer
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

    fn completing<'t, T>(
        tasks: &'t TaskTracker,
        write: impl Future<Output = T> + Send + 'static,
    ) -> Detached<'t, T> {
        Detached::new(write.boxed(), tasks, Handle::current())
    }

    #[tokio::test]
    async fn a_write_that_is_given_up_goes_on_and_is_waited_for() {
        let tasks = TaskTracker::new();
        tasks.close();
        let (answer, answered) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let mut write = completing(&tasks, async move {
            answered.await.expect("it is sent");
            end.send(()).expect("somebody looks");
        });
        assert!((&mut write).now_or_never().is_none());
        assert!(
            tasks.wait().now_or_never().is_none(),
            "while it is asked for"
        );
        drop(write);
        assert!(tasks.wait().now_or_never().is_none(), "while nobody asks");
        answer.send(()).expect("the write is there");
        tasks.wait().await;
        ended.await.expect("it came to its end");
    }

    #[tokio::test]
    async fn a_write_that_is_done_is_no_task() {
        let tasks = TaskTracker::new();
        assert_eq!(completing(&tasks, async { 7 }).await, 7);
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_panic_reaches_who_asked_and_is_not_repeated() {
        let tasks = TaskTracker::new();
        let write = completing(&tasks, async {
            tokio::task::yield_now().await;
            panic!("a column");
        });
        let outcome: Result<(), _> = AssertUnwindSafe(write).catch_unwind().await;
        assert!(outcome.is_err());
        assert!(tasks.is_empty(), "nothing is polled again that panicked");
    }
}
