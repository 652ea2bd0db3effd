//! Replays what slow clients missed.
//!
//! A client whose queue exceeded its limits is behind: the hub has dropped its broadcasts and drops
//! new ones. When the client has taken what is left in its queue, the task of this module replays
//! its subscriptions from the history, as its user may see the rows now: one message for each row
//! and group. A replay is sent in portions, the next one when the client has taken the one before.
//! So the memory of a client is bounded, however slow it is.
//!
//! A replay covers the batches up to the one that the dispatcher had begun when the replay began.
//! If the group changes meanwhile, another replay follows. A client that never catches up so
//! receives one replay after the other, each of which brings it to a state that existed.

mod portion;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    select,
    sync::Semaphore,
    task::{consume_budget, yield_now},
    time::sleep,
};

use self::portion::{PrepareError, prepare};
use super::context::SessionContext;
use crate::{
    data::cursor::Cursor,
    hub::{
        SessionHandle,
        shard::catch_up::{CatchUp, Portion, PortionError},
    },
    user_code,
};

/// Maximum number of clients for which a portion is prepared at the same time.
const MAX_CONCURRENT_PORTIONS: usize = 4;

/// Maximum number of times that the history is asked again whether a portion is complete, because
/// the dispatcher has begun another batch.
const MAX_ATTEMPTS: usize = 100;

/// Time between two attempts to read the event log.
const LOG_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Serves the clients that are behind, until the task is aborted.
pub(crate) async fn run(context: Arc<SessionContext>) {
    let permits = Semaphore::new(MAX_CONCURRENT_PORTIONS);
    let mut running = FuturesUnordered::new();
    loop {
        select! {
            sessions = context.hub.catching_up() => {
                let serve = |session| serve(&context, &permits, session);
                running.extend(sessions.into_iter().map(serve));
            }
            Some(()) = running.next() => {}
        }
    }
}

/// Sends the next portion to a client.
async fn serve(context: &SessionContext, permits: &Semaphore, session: SessionHandle) {
    let sending = send_portion(context, permits, &session);
    if let Err(panicked) = user_code::call_async(sending).await {
        context.metrics.panics.increment(1);
        tracing::error!(
            %panicked,
            "the application's code panicked while a slow client was sent what it missed: the client receives a reset"
        );
        session.give_up_catch_up();
    }
}

async fn send_portion(context: &SessionContext, permits: &Semaphore, session: &SessionHandle) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.acquire().await else {
            return;
        };
        let Some(catch_up) = session.catch_up() else {
            return;
        };
        match prepare(context, &catch_up).await {
            Ok(portion) => {
                if !apply(context, session, &catch_up, portion).await {
                    return;
                }
                drop(permit);
                yield_now().await;
            }
            Err(PrepareError::TooOld) => {
                tracing::debug!(
                    ?session,
                    since = %catch_up.since,
                    "the history does not reach back to where a slow client stopped: it receives a reset"
                );
                return session.give_up_catch_up();
            }
            Err(PrepareError::Unavailable(error)) => {
                drop(permit);
                tracing::debug!(
                    ?session,
                    error = &error as &dyn std::error::Error,
                    "the event log cannot be read: a slow client waits for what it missed"
                );
                sleep(LOG_RETRY_INTERVAL).await;
            }
        }
    }
}

/// Queues a portion. Returns whether the next one must be prepared at once.
async fn apply(
    context: &SessionContext,
    session: &SessionHandle,
    catch_up: &CatchUp,
    mut portion: Portion,
) -> bool {
    let mut attempts = 0;
    loop {
        match session.apply_portion(&portion) {
            Ok(must_continue) => return must_continue,
            Err(PortionError::Ended) => return false,
            Err(PortionError::Outdated) => return true,
            Err(PortionError::Advanced(batch_id)) => {
                attempts += 1;
                let seen = (portion.replay.batch_id, batch_id);
                if attempts < MAX_ATTEMPTS && is_unchanged(context, catch_up, seen) {
                    // The dispatcher may begin batches of other groups faster than this loop.
                    portion.replay.batch_id = batch_id;
                    consume_budget().await;
                } else {
                    portion.ends = false;
                }
            }
        }
    }
}

/// Returns whether no subscription of a client missed anything in the batches after the first one,
/// up to the second.
fn is_unchanged(context: &SessionContext, catch_up: &CatchUp, batches: (u64, u64)) -> bool {
    catch_up.subscriptions.iter().all(|subscription| {
        let (model, _) = context.registry.group_entry(&subscription.group);
        let since = Cursor {
            epoch: catch_up.since.epoch.clone(),
            position: subscription.since,
        };
        let history = &context.history;
        history.is_unchanged(&model.label, &subscription.group, &since, batches)
    })
}
