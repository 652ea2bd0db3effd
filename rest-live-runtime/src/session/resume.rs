//! How a subscription begins: now, or where its client left.

use tokio::time::timeout;

use super::{
    Session, Shared,
    subscribe::{SubscribeRequest, unavailable},
};
use crate::{
    data::{cursor::Cursor, granted::Granted},
    dispatch::history::Missed,
    hub::{Answers, Refused},
    log::{LogError, ReadError},
    protocol::{broadcast::GroupName, code::ResetReason, frame::Frame, refusal::Refusal},
};

/// So many events of a group are looked through for one client that comes back.
const MOST_EVENTS: usize = 4000;

/// How a subscription begins.
pub(super) enum StartPoint {
    Now,
    Resumed {
        since: Cursor,
        replayed: Vec<Frame>,
        /// Number of the last batch of which the client is told.
        turn: u64,
    },
    /// Its client has to fetch again.
    Reset(ResetReason),
}

impl Session {
    /// Finds out how a subscription begins that was granted.
    pub(super) async fn beginning(
        &self,
        wish: &SubscribeRequest<'_>,
        granted: Granted,
    ) -> Result<StartPoint, Refusal> {
        let Some(since) = &wish.since else {
            if self.shared.log.known_head().is_none() {
                self.begun().await?;
            }
            return Ok(StartPoint::Now);
        };
        self.begun().await?;
        let Ok(since) = since.parse::<Cursor>() else {
            return Ok(StartPoint::Reset(ResetReason::Epoch));
        };
        let shared = &*self.shared;
        let Some((dispatched, turn)) = shared.hub.dispatched(self.id) else {
            return Err(unavailable());
        };
        if since.epoch != dispatched.epoch {
            return Ok(StartPoint::Reset(ResetReason::Epoch));
        }
        if since.position > dispatched.position {
            // This node may be behind the one that the client comes from.
            if let Err(error) = self.in_time(shared.log.read(since.clone(), 1)).await {
                return self.unreachable(error);
            }
        }
        let (model, group) = (&*wish.model.label, &wish.group);
        let look = || {
            shared
                .history
                .missed(model, group, &since, turn, MOST_EVENTS)
        };
        let mut missed = look();
        if let Missed::Older = missed {
            let reach = shared.history.reach(&*shared.log, &since);
            if let Err(error) = self.in_time(reach).await {
                return self.unreachable(error);
            }
            missed = look();
        }
        let events = match missed {
            Missed::Events(events) => events,
            Missed::Unknown => return Ok(StartPoint::Reset(ResetReason::Bulk)),
            Missed::TooMuch => return Ok(StartPoint::Reset(ResetReason::TooFar)),
            Missed::Older => return Ok(StartPoint::Reset(ResetReason::Expired)),
        };
        let Some(replay) = shared.replays.of(&since.epoch, wish.entry, group, &events) else {
            shared.metrics.panics.increment(1);
            tracing::error!(
                model,
                "what a client missed cannot be told: the application's code panicked"
            );
            return Ok(StartPoint::Reset(ResetReason::Bulk));
        };
        let limits = &shared.limits;
        // They wait like answers, of which half as many as may stop the client from asking for more.
        let most = (
            limits.max_pending_messages / 2,
            limits.max_pending_bytes / 2,
        );
        let of = (wish.model, wish.entry, group);
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
                turn,
            },
            None => StartPoint::Reset(ResetReason::TooFar),
        })
    }
}

impl Session {
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
        Ok(StartPoint::Reset(match error {
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

impl StartPoint {
    /// Returns where the subscription begins at the earliest; what was handed out, it has missed in any case.
    pub(super) fn after(&self, shared: &Shared) -> Option<Cursor> {
        match self {
            Self::Now | Self::Reset(_) => shared.log.known_head(),
            Self::Resumed { since, .. } => Some(since.clone()),
        }
    }

    /// Returns what the client is told when its subscription begins at a cursor, while a batch is handed out.
    ///
    /// # Errors
    /// Something has happened to the group that is not among what it is told.
    pub(super) fn answers(
        &self,
        shared: &Shared,
        wish: &SubscribeRequest<'_>,
        cursor: &Cursor,
        dispatched: u64,
    ) -> Result<Answers, Refused> {
        let model = &wish.model.label;
        let group = GroupName {
            key: wish.entry.key,
            value: &wish.group.value,
        };
        let subscribed = |cursor, recovered| {
            let answer = wish
                .dialect
                .subscribed(wish.id, model, group, cursor, recovered);
            answer.into_iter().collect()
        };
        Ok(match self {
            Self::Now => Answers {
                answers: subscribed(cursor, true),
                replayed: Vec::new(),
            },
            Self::Resumed {
                since,
                replayed,
                turn,
            } => {
                let turns = (*turn, dispatched);
                if !shared.history.is_quiet(model, &wish.group, since, turns) {
                    return Err(Refused::Missed);
                }
                Answers {
                    answers: subscribed(since, true),
                    replayed: replayed.clone(),
                }
            }
            Self::Reset(reason) => {
                shared.metrics.reset(*reason, 1);
                let mut answers: Vec<_> = subscribed(cursor, false);
                answers.extend(Some(wish.dialect.reset(wish.id, model, *reason, cursor)));
                Answers {
                    answers,
                    replayed: Vec::new(),
                }
            }
        })
    }
}
