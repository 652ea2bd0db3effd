//! Finds where a subscription starts: now, or after the client's last cursor.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{Session, refusal::unavailable, subscribe::SubscribeRequest};
use crate::{
    data::{cursor::Cursor, serializer_set::SerializerSet},
    dispatch::{history::MissedEvents, replay::ReplayedGroup},
    hub::new_subscription::{NewSubscription, StartPoint},
    log::{LogError, ReadError},
    protocol::{code::ResetReason, refusal::Refusal},
};

/// Maximum number of events of a group that a resuming client can have missed.
const MAX_MISSED_EVENTS: usize = 4000;

impl Session {
    /// Returns where a granted subscription starts. If the client resumes, the answer contains the
    /// frames that it missed.
    pub(super) async fn start_point(
        &self,
        request: &SubscribeRequest<'_>,
        granted: SerializerSet,
    ) -> Result<StartPoint, Refusal> {
        let Some(since) = &request.since else {
            if self.context.log.known_head().is_none() {
                self.wait_for_log().await?;
            }
            return Ok(StartPoint::Now(self.context.log.known_head()));
        };
        self.wait_for_log().await?;
        let Ok(since) = since.parse::<Cursor>() else {
            return Ok(self.reset(ResetReason::Epoch));
        };
        let context = &*self.context;
        let Some((dispatched, batch_id)) = self.handle.dispatched() else {
            return Err(unavailable());
        };
        if since.epoch != dispatched.epoch {
            context.other_processes.note_foreign_cursor();
            return Ok(self.reset(ResetReason::Epoch));
        }
        if since.position > dispatched.position {
            // The client may come from a node that has read more of the log than this one.
            if let Err(error) = self.ask_log(context.log.read(since.clone(), 1)).await {
                return self.start_without_log(error);
            }
        }
        let (model, group) = (&request.target.model.label, &request.target.group);
        let find_missed = || {
            let history = &context.history;
            history.missed(model, group, &since, batch_id, MAX_MISSED_EVENTS)
        };
        let mut missed = find_missed();
        if let MissedEvents::NotLoaded = missed {
            let load = context.history.load_after(&*context.log, &since);
            if let Err(error) = self.ask_log(load).await {
                return self.start_without_log(error);
            }
            missed = find_missed();
        }
        let events = match missed {
            MissedEvents::Found(events) => events,
            MissedEvents::Unknown => return Ok(self.reset(ResetReason::Bulk)),
            MissedEvents::TooMany => return Ok(self.reset(ResetReason::TooFar)),
            MissedEvents::NotLoaded => return Ok(self.reset(ResetReason::Expired)),
        };
        let replay = context
            .replays
            .get(&since.epoch, request.target.entry, group, &events);
        let replay = match replay {
            Ok(replay) => replay,
            Err(unknown) => {
                let consequence = "a client that resumes receives a reset";
                unknown.report(request.target.model, consequence, &context.metrics);
                return Ok(self.reset(ResetReason::Bulk));
            }
        };
        // Replayed frames are queued like answers. Above half of the limits, answers stop the
        // server from reading further requests.
        let max_frames_and_bytes = (
            context.limits.max_pending_messages / 2,
            context.limits.max_pending_bytes / 2,
        );
        let target = ReplayedGroup {
            model: request.target.model,
            entry: request.target.entry,
            group,
        };
        // The position of this node, or that of the client if it is later.
        let up_to = if since.position < dispatched.position {
            &dispatched
        } else {
            &since
        };
        let replayed = replay.frames(
            target,
            (&request.user, granted),
            (&since, up_to),
            max_frames_and_bytes,
            &context.metrics,
        );
        Ok(match replayed {
            Some((replayed, unit_end)) => StartPoint::Resumed {
                since,
                replayed,
                unit_end,
                batch_id,
            },
            None => self.reset(ResetReason::TooFar),
        })
    }

    /// Returns whether a replay is also complete up to a later batch, because the group did not
    /// change meanwhile. If it is, the replay then counts as one up to that batch.
    pub(super) fn is_complete_up_to(&self, new: &mut NewSubscription, later: u64) -> bool {
        let StartPoint::Resumed {
            since, batch_id, ..
        } = &mut new.start
        else {
            return true;
        };
        let history = &self.context.history;
        let is_complete = history.is_unchanged(&new.model, &new.group, since, (*batch_id, later));
        if is_complete {
            *batch_id = later;
        }
        is_complete
    }

    /// Returns the start of a subscription whose client must fetch again.
    pub(super) fn reset(&self, reason: ResetReason) -> StartPoint {
        StartPoint::Reset(reason, self.context.log.known_head())
    }

    /// Waits for an answer of the log, which may be unreachable.
    async fn ask_log<T>(
        &self,
        answer: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let authorize_timeout = self.context.limits.authorize_timeout;
        let late =
            |_| Err(LogError::new("the event log did not answer within authorize_timeout").into());
        timeout(authorize_timeout, answer)
            .await
            .unwrap_or_else(late)
    }

    /// Returns the start of a subscription for whose cursor the log returned an error.
    fn start_without_log(&self, error: ReadError) -> Result<StartPoint, Refusal> {
        Ok(self.reset(match error {
            ReadError::Epoch => ResetReason::Epoch,
            ReadError::Ahead => ResetReason::Ahead,
            ReadError::Expired => ResetReason::Expired,
            ReadError::Unavailable(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the event log cannot be read: a client could not resume, and its request is refused with error 503"
                );
                return Err(unavailable());
            }
        }))
    }

    /// Waits until everything that was committed before the request is in the queues and in the
    /// history. Otherwise the client would receive states between those that it holds and those of
    /// the request.
    ///
    /// While the log is away, the history has all that the client can get, and the client also
    /// receives `stale`.
    pub(super) async fn reach_present(&self) -> Result<(), Refusal> {
        let present = timeout(
            self.context.limits.authorize_timeout,
            self.context.reach_present(),
        );
        let mut published = self.context.published.clone();
        let away = published.wait_for(|p| p.as_ref().is_some_and(|p| p.is_away));
        let may_resume = match select(pin!(away), pin!(present)).await {
            Either::Left((away, _)) => away.is_ok(),
            Either::Right((present, _)) => matches!(present, Ok(Ok(()))),
        };
        if may_resume {
            return Ok(());
        }
        tracing::warn!(
            "the event log cannot be read up to its present: a client could not resume, and its request is refused with error 503"
        );
        Err(unavailable())
    }

    /// Waits until the log has reported where it begins.
    async fn wait_for_log(&self) -> Result<(), Refusal> {
        let mut published = self.context.published.clone();
        let begin = published.wait_for(Option::is_some);
        match timeout(self.context.limits.authorize_timeout, begin).await {
            Ok(Ok(_)) => Ok(()),
            // The log cannot be reached, or the dispatcher has ended.
            Ok(Err(_)) | Err(_) => Err(unavailable()),
        }
    }
}
