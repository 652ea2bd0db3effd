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
            usize::from(ask(&context, &session, &subscription).await)
        })
        .buffer_unordered(MAX_CONCURRENT_CALLS)
        .fold(0, async |ended, one| ended + one)
        .await;
    // Frames that were taken from the queues earlier may still be on their way to a socket.
    context.hub.written().await;
    ended
}

/// Asks until an answer holds, and returns whether the subscription has ended.
async fn ask(context: &SessionContext, session: &SessionHandle, subscription: &Subscribed) -> bool {
    let (_, entry) = context.registry.group_entry(&subscription.group);
    loop {
        let permit = if entry.has_authorize() {
            Some(context.authorize_limiter.admit_reauthorization().await)
        } else {
            None
        };
        let rights_version = session.rights_version();
        let answer = authorize(context, entry, &subscription.group, &subscription.user).await;
        drop(permit);
        let answer = answer.map_err(|refusal| match refusal.code {
            ErrorCode::Forbidden => ErrorCode::Revoked,
            code => code,
        });
        let code = answer.as_ref().err().copied();
        // `None`: the rights changed again meanwhile.
        let Some(has_ended) = session.apply(subscription.id, rights_version, answer) else {
            continue;
        };
        if has_ended && let Some(code) = code {
            context.metrics.count_denial(Denial::Revoked);
            subscription
                .span
                .in_scope(|| tracing::debug!(?code, "a subscription was revoked"));
        }
        return has_ended;
    }
}
