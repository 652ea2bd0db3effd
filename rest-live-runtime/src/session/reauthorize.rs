//! Asks again whether users may have the subscriptions that they have.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Shared, authorize};
use crate::{
    hub::{SessionId, shard::Subscribed},
    metrics::Denial,
    protocol::{broadcast::GroupName, code::ErrorCode},
};

/// So many questions are asked at a time.
const QUESTIONS_AT_ONCE: usize = 8;

/// Asks about every subscription of these sessions, and returns how many have ended.
pub(crate) async fn run(shared: Arc<Shared>, sessions: Vec<SessionId>) -> usize {
    let subscriptions = sessions.into_iter().flat_map(|session| {
        let subscriptions = shared.hub.subscriptions_of(session);
        subscriptions.into_iter().map(move |s| (session, s))
    });
    let ended = stream::iter(subscriptions)
        .map(async |(session, subscription)| {
            usize::from(ask(&shared, session, &subscription).await)
        })
        .buffer_unordered(QUESTIONS_AT_ONCE)
        .fold(0, async |ended, one| ended + one)
        .await;
    // What was on its way before.
    shared.hub.written().await;
    ended
}

/// Asks until an answer holds, and returns whether the subscription has ended by it.
async fn ask(shared: &Shared, session: SessionId, subscription: &Subscribed) -> bool {
    let (model, entry) = shared.registry.of_group(&subscription.group);
    let group = GroupName {
        key: entry.key,
        value: &subscription.group.value,
    };
    loop {
        let asked = shared.hub.asking(session);
        let answer = authorize(shared, entry, group.value, &subscription.user).await;
        let code = match &answer {
            Err(refusal) if refusal.code != ErrorCode::Forbidden => refusal.code,
            _ => ErrorCode::Revoked,
        };
        let settled = shared
            .hub
            .settle(session, subscription.serial, asked, answer.ok(), |ids| {
                let last = |id| subscription.dialect.revoked(id, code, &model.label, group);
                match ids {
                    [] => vec![last(None)],
                    ids => ids.iter().map(|id| last(Some(id))).collect(),
                }
            });
        match settled {
            // Somebody has changed the rights once more.
            None => {}
            Some(has_ended) => {
                if has_ended {
                    shared.metrics.denied(Denial::Revoked);
                    subscription
                        .span
                        .in_scope(|| tracing::debug!(?code, "revoked"));
                }
                return has_ended;
            }
        }
    }
}
