//! Barriers: a client asks to be answered when it has received everything up to a cursor.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, poll_immediate},
};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Session, barrier::NotReached, context::SessionContext};
use crate::{
    data::cursor::Cursor,
    hub::SessionHandle,
    metrics::Denial,
    protocol::{code::ErrorCode, id::Id, refusal::Refusal, v1},
};

/// How long a barrier waits for the log.
const SYNC_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a barrier waits before it asks an unreachable log again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum number of barriers of a connection that wait at the same time.
const MAX_WAITING: usize = 16;

/// The barriers of a connection that wait. They end when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Barriers(
    /// `None` before the first barrier that waits: most connections have none.
    Mutex<Option<JoinSet<()>>>,
);

impl Barriers {
    /// Lets a barrier wait in a task.
    ///
    /// # Errors
    /// Too many barriers wait.
    fn spawn(&self, barrier: BoxFuture<'static, ()>, runtime: &Handle) -> Result<(), Refusal> {
        let mut waiting = self.0.lock();
        let waiting = waiting.get_or_insert_default();
        while waiting.try_join_next().is_some() {}
        if waiting.len() >= MAX_WAITING {
            return Err(Refusal::new(
                ErrorCode::TooManySyncs,
                format!("at most {MAX_WAITING} `sync` requests of a connection can wait at once"),
            ));
        }
        waiting.spawn_on(barrier, runtime);
        Ok(())
    }
}

impl Session {
    /// Answers when this connection was sent everything that its subscriptions receive up to a
    /// cursor; without one, up to the present of the log. Does not wait for that.
    ///
    /// # Errors
    /// The text is not a cursor, or too many barriers wait.
    pub(super) async fn sync(&self, id: &Id, cursor: Option<String>) -> Result<(), Refusal> {
        let cursor = cursor.map(|cursor| cursor.parse::<Cursor>());
        let cursor = cursor.transpose().map_err(|_| unknown_cursor())?;
        let context = Arc::clone(&self.context);
        let mut barrier = wait(context, self.handle.clone(), id.clone(), cursor).boxed();
        if poll_immediate(&mut barrier).await.is_some() {
            return Ok(());
        }
        self.barriers
            .spawn(barrier, &self.context.runtime)
            .inspect_err(|_| self.context.metrics.count_denial(Denial::Rate))
    }
}

/// Waits until a cursor is reached, and queues the answer after the broadcasts.
async fn wait(context: Arc<SessionContext>, handle: SessionHandle, id: Id, cursor: Option<Cursor>) {
    let reach = async {
        loop {
            match context.reach(cursor.as_ref()).await {
                Err(NotReached::Unavailable) => sleep(RETRY_INTERVAL).await,
                reached => return reached,
            }
        }
    };
    let refusal = match timeout(SYNC_TIMEOUT, reach).await {
        Ok(Ok(())) => {
            // Read before the answer is queued: everything up to it is in the queue by then.
            let published = context.published.borrow().clone();
            if let Some(published) = published {
                handle.after_catch_up(v1::synced(&id, &published.cursor));
            }
            return;
        }
        Ok(Err(NotReached::UnknownCursor)) => unknown_cursor(),
        Ok(Err(NotReached::Unavailable | NotReached::Ended)) | Err(_) => Refusal::new(
            ErrorCode::Unavailable,
            "the server cannot read its event log now: try again later",
        ),
    };
    tracing::debug!(code = ?refusal.code, "a sync request is refused");
    handle.answer(v1::error(&refusal, Some(&id)));
}

fn unknown_cursor() -> Refusal {
    Refusal::new(
        ErrorCode::UnknownCursor,
        "`cursor` is not a cursor of the event log as it is now: use one of a later response or message",
    )
}
