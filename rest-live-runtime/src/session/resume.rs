//! Where a subscription starts: now, or where its client left.

use tokio::time::timeout;

use super::{
    Session,
    subscribe::{SubscribeRequest, unavailable},
};
use crate::{
    data::{cursor::Cursor, serializer_set::SerializerSet},
    dispatch::history::MissedEvents,
    hub::new_subscription::{NewSubscription, StartPoint},
    log::{LogError, ReadError},
    protocol::{code::ResetReason, refusal::Refusal},
};

/// Maximum number of events of a group that a resuming client can have missed.
const MAX_MISSED_EVENTS: usize = 4000;

impl Session {
    /// Returns where a subscription starts that was granted, with what its client missed.
    pub(super) async fn start_point(
        &self,
        request: &SubscribeRequest<'_>,
        granted: SerializerSet,
    ) -> Result<StartPoint, Refusal> {
        let Some(since) = &request.since else {
            if self.shared.log.known_head().is_none() {
                self.begun().await?;
            }
            return Ok(StartPoint::Now(self.shared.log.known_head()));
        };
        self.begun().await?;
        let Ok(since) = since.parse::<Cursor>() else {
            return Ok(self.reset(ResetReason::Epoch));
        };
        let shared = &*self.shared;
        let Some((dispatched, batch_id)) = self.handle.dispatched() else {
            return Err(unavailable());
        };
        if since.epoch != dispatched.epoch {
            return Ok(self.reset(ResetReason::Epoch));
        }
        if since.position > dispatched.position {
            // This node may be behind the one that the client comes from.
            if let Err(error) = self.in_time(shared.log.read(since.clone(), 1)).await {
                return self.unreachable(error);
            }
        }
        let (model, group) = (&*request.model.label, &request.group);
        let look = || {
            shared
                .history
                .missed(model, group, &since, batch_id, MAX_MISSED_EVENTS)
        };
        let mut missed = look();
        if let MissedEvents::NotLoaded = missed {
            let reach = shared.history.load_after(&*shared.log, &since);
            if let Err(error) = self.in_time(reach).await {
                return self.unreachable(error);
            }
            missed = look();
        }
        let events = match missed {
            MissedEvents::Found(events) => events,
            MissedEvents::Unknown => return Ok(self.reset(ResetReason::Bulk)),
            MissedEvents::TooMany => return Ok(self.reset(ResetReason::TooFar)),
            MissedEvents::NotLoaded => return Ok(self.reset(ResetReason::Expired)),
        };
        let Some(replay) = shared
            .replays
            .get(&since.epoch, request.entry, group, &events)
        else {
            shared.metrics.panics.increment(1);
            tracing::error!(
                model,
                "what a client missed cannot be told: the application's code panicked"
            );
            return Ok(self.reset(ResetReason::Bulk));
        };
        let limits = &shared.limits;
        // They wait like answers, of which half as many as may stop the client from asking for more.
        let most = (
            limits.max_pending_messages / 2,
            limits.max_pending_bytes / 2,
        );
        let of = (request.model, request.entry, group);
        // To where this node is, or where the client was already.
        let upto = match since.position < dispatched.position {
            true => &dispatched,
            false => &since,
        };
        let user = (&self.user, granted);
        let replayed = replay.frames(of, user, (&since, upto), most, &shared.metrics);
        Ok(match replayed {
            Some(replayed) => StartPoint::Resumed {
                since,
                replayed,
                batch_id,
            },
            None => self.reset(ResetReason::TooFar),
        })
    }

    /// Returns whether a replay is also complete up to a later batch: the group did not change in between.
    pub(super) fn is_complete_up_to(&self, new: &mut NewSubscription, now: u64) -> bool {
        let StartPoint::Resumed {
            since, batch_id, ..
        } = &mut new.start
        else {
            return true;
        };
        let history = &self.shared.history;
        let is_complete = history.is_unchanged(&new.model, &new.group, since, (*batch_id, now));
        if is_complete {
            *batch_id = now;
        }
        is_complete
    }

    /// Returns where a subscription starts whose client must fetch again.
    pub(super) fn reset(&self, reason: ResetReason) -> StartPoint {
        StartPoint::Reset(reason, self.shared.log.known_head())
    }

    /// Asks the log, which may be away.
    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let patience = self.shared.limits.authorize_timeout;
        let late = |_| Err(LogError::new("it did not answer in time").into());
        timeout(patience, asking).await.unwrap_or_else(late)
    }

    /// Returns what becomes of a client that comes from where the log does not reach.
    fn unreachable(&self, error: ReadError) -> Result<StartPoint, Refusal> {
        Ok(self.reset(match error {
            ReadError::Epoch => ResetReason::Epoch,
            ReadError::Ahead => ResetReason::Ahead,
            ReadError::Expired => ResetReason::Expired,
            ReadError::Unavailable(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a subscription is refused");
                return Err(unavailable());
            }
        }))
    }

    /// Waits until the log has said where it begins.
    async fn begun(&self) -> Result<(), Refusal> {
        let mut progress = self.shared.progress.clone();
        let begun = progress.wait_for(Option::is_some);
        match timeout(self.shared.limits.authorize_timeout, begun).await {
            Ok(Ok(_)) => Ok(()),
            // It cannot be reached, or its dispatcher has ended.
            Ok(Err(_)) | Err(_) => Err(unavailable()),
        }
    }
}
