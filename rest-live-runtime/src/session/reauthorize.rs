//! Asks again whether users may keep the subscriptions that they have.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Shared, authorize};
use crate::{
    hub::{SessionHandle, shard::subscriptions::Subscribed},
    metrics::Denial,
    protocol::code::ErrorCode,
};

/// Maximum number of questions that are asked at the same time.
const MAX_CONCURRENT_QUESTIONS: usize = 8;

/// Asks about every subscription of these sessions, and returns how many have ended.
pub(crate) async fn run(shared: Arc<Shared>, sessions: Vec<SessionHandle>) -> usize {
    let subscriptions = sessions.into_iter().flat_map(|session| {
        let subscriptions = session.subscriptions();
        subscriptions.into_iter().map(move |s| (session.clone(), s))
    });
    let ended = stream::iter(subscriptions)
        .map(async |(session, subscription)| {
            usize::from(ask(&shared, &session, &subscription).await)
        })
        .buffer_unordered(MAX_CONCURRENT_QUESTIONS)
        .fold(0, async |ended, one| ended + one)
        .await;
    // Frames that were taken from the queues before.
    shared.hub.written().await;
    ended
}

/// Asks until an answer holds, and returns whether the subscription has ended.
async fn ask(shared: &Shared, session: &SessionHandle, subscription: &Subscribed) -> bool {
    let (_, entry) = shared.registry.group_entry(&subscription.group);
    let value = &subscription.group.value;
    loop {
        let rights_version = session.rights_version();
        let answer = authorize(shared, entry, value, &subscription.user).await;
        let answer = answer.map_err(|refusal| match refusal.code {
            ErrorCode::Forbidden => ErrorCode::Revoked,
            code => code,
        });
        let code = answer.as_ref().err().copied();
        // `None`: the rights have changed once more.
        let Some(has_ended) = session.apply(subscription.id, rights_version, answer) else {
            continue;
        };
        if has_ended && let Some(code) = code {
            shared.metrics.count_denial(Denial::Revoked);
            subscription
                .span
                .in_scope(|| tracing::debug!(?code, "revoked"));
        }
        return has_ended;
    }
}
