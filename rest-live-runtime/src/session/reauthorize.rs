//! Asks again whether users may keep the subscriptions that they have.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{authorize, context::SessionContext};
use crate::{
    hub::{SessionHandle, shard::subscriptions::Subscribed},
    metrics::Denial,
    protocol::code::ErrorCode,
};

/// Maximum number of `authorize` calls that run at the same time.
const MAX_CONCURRENT_CALLS: usize = 8;

/// Asks about every subscription of the sessions, and returns how many have ended.
pub(crate) async fn run(context: Arc<SessionContext>, sessions: Vec<SessionHandle>) -> usize {
    let subscriptions = sessions.into_iter().flat_map(|session| {
        let subscriptions = session.subscriptions();
        subscriptions.into_iter().map(move |s| (session.clone(), s))
    });
    let ended = stream::iter(subscriptions)
        .map(async |(session, subscription)| {
            usize::from(ask_in_turn(&context, &session, &subscription).await)
        })
        .buffer_unordered(MAX_CONCURRENT_CALLS)
        .fold(0, async |ended, one| ended + one)
        .await;
    // Frames that were taken from the queues earlier may still be on their way to a socket.
    context.hub.written().await;
    ended
}

/// Asks until an answer holds, and returns whether the subscription has ended. Each call waits for
/// its turn.
async fn ask_in_turn(
    context: &SessionContext,
    session: &SessionHandle,
    subscription: &Subscribed,
) -> bool {
    loop {
        let (_, entry) = context.registry.group_entry(&subscription.group);
        let permit = if entry.has_authorize() {
            Some(context.authorize_limiter.admit_reauthorization().await)
        } else {
            None
        };
        let answer = ask_once(context, session, subscription).await;
        drop(permit);
        if let Some(has_ended) = answer {
            return has_ended;
        }
    }
}

/// Asks about every subscription of a session, one after the other, until the answers hold. The
/// caller has a permit of the authorize limiter.
pub(super) async fn ask_all(context: &SessionContext, session: &SessionHandle) {
    for subscription in session.subscriptions() {
        while ask_once(context, session, &subscription).await.is_none() {}
    }
}

/// Asks once, and returns whether the subscription has ended. `None`: the rights or the user
/// changed meanwhile.
async fn ask_once(
    context: &SessionContext,
    session: &SessionHandle,
    subscription: &Subscribed,
) -> Option<bool> {
    let (_, entry) = context.registry.group_entry(&subscription.group);
    let Some(rights) = session.rights() else {
        // The session has ended, and its subscriptions with it.
        return Some(false);
    };
    let answer = authorize(context, entry, &subscription.group, &rights.user).await;
    let answer = answer.map_err(|refusal| match refusal.code {
        ErrorCode::Forbidden => ErrorCode::Revoked,
        code => code,
    });
    let code = answer.as_ref().err().copied();
    let has_ended = session.apply(subscription.id, rights.version, answer)?;
    if has_ended && let Some(code) = code {
        context.metrics.count_denial(Denial::Revoked);
        subscription
            .span
            .in_scope(|| tracing::debug!(?code, "a subscription was revoked"));
    }
    Some(has_ended)
}
