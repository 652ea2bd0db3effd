//! Prepares the next part of what a client missed.

use std::sync::Arc;

use tokio::{task::consume_budget, time::timeout};

use crate::{
    data::{cursor::Cursor, event::Action},
    dispatch::{
        change::Variant,
        history::MissedEvents,
        replay::{Replay, ReplayedGroup},
    },
    hub::{
        clients::slow::ReplayPosition,
        ids::{GrantId, SubscriptionId},
        shard::catch_up::{CatchUp, MissedSubscription, Portion},
    },
    log::{LogError, ReadError},
    protocol::{dialect::Dialect, frame::Frame, v0_7, v1},
    session::context::SessionContext,
};

/// Why no portion can be prepared.
#[derive(Debug)]
pub(super) enum PrepareError {
    /// The history does not reach back.
    TooOld,
    /// The event log cannot be read now.
    Unavailable(LogError),
}

/// What one subscription missed.
struct MissedChanges<'c> {
    subscription: &'c MissedSubscription,
    group: ReplayedGroup<'c>,
    replay: Arc<Replay>,
}

/// A change that a client sees.
struct VisibleChange<'c> {
    missed: &'c MissedChanges<'c>,
    /// Index in the replay.
    index: usize,
    variant: Variant,
    at: ReplayPosition,
}

/// The frames of a portion, within half of the client's limits.
struct PortionFrames {
    frames: Vec<(GrantId, Frame)>,
    bytes: usize,
    max_frames: usize,
    max_bytes: usize,
    /// How far the replay comes with them.
    sent: ReplayPosition,
}

/// Prepares the next portion of what a client missed: as many messages as fit half of its limits,
/// and at least one.
///
/// # Errors
/// What the client missed cannot be replayed, or not now.
pub(super) async fn prepare(
    context: &SessionContext,
    catch_up: &CatchUp,
) -> Result<Portion, PrepareError> {
    let mut missed = Vec::new();
    let mut resets = Vec::new();
    for subscription in &catch_up.subscriptions {
        match find_missed(context, catch_up, subscription).await? {
            Some(changes) => missed.push(changes),
            None => resets.push(subscription.id),
        }
        consume_budget().await;
    }
    let mut events: Vec<_> = missed
        .iter()
        .flat_map(|changes| {
            let events = changes.replay.last_events().enumerate();
            events.map(move |(index, at)| (at, index, changes))
        })
        .filter(|(at, ..)| *at >= catch_up.replay.sent.event)
        .collect();
    events.sort_by_key(|(at, ..)| *at);

    let limits = &context.limits;
    let mut frames = PortionFrames {
        frames: Vec::new(),
        bytes: 0,
        max_frames: (limits.max_pending_messages / 2).max(1),
        max_bytes: limits.max_pending_bytes / 2,
        sent: catch_up.replay.sent,
    };
    let mut is_last = true;
    'events: for of_event in events.chunk_by(|(a, ..), (b, ..)| a == b) {
        let changes = of_event
            .iter()
            .filter_map(|(at, index, missed)| visible(context, *at, *index, missed));
        let mut changes: Vec<_> = changes.collect();
        changes.sort_by_key(|change| change.at);
        for change in changes {
            if !frames.add(context, catch_up, &change) {
                is_last = false;
                break 'events;
            }
        }
        consume_budget().await;
    }
    Ok(frames.into_portion(catch_up, resets, is_last))
}

/// Returns what a subscription missed up to the end of the replay; `None` if unknown rows changed,
/// or if application code does not allow to decide what changed.
async fn find_missed<'c>(
    context: &'c SessionContext,
    catch_up: &CatchUp,
    subscription: &'c MissedSubscription,
) -> Result<Option<MissedChanges<'c>>, PrepareError> {
    let group = &subscription.group;
    let (model, entry) = context.registry.group_entry(group);
    let since = Cursor {
        epoch: catch_up.since.epoch.clone(),
        position: subscription.since,
    };
    let batch_id = catch_up.replay.batch_id;
    let find = || {
        let history = &context.history;
        history.missed(&model.label, group, &since, batch_id, usize::MAX)
    };
    let mut missed = find();
    if let MissedEvents::NotLoaded = missed {
        let load = context.history.load_after(&*context.log, &since);
        match timeout(context.limits.authorize_timeout, load).await {
            Ok(Ok(())) => missed = find(),
            Ok(Err(ReadError::Unavailable(error))) => return Err(PrepareError::Unavailable(error)),
            Ok(Err(_)) => return Err(PrepareError::TooOld),
            Err(_) => {
                let late = "the event log did not answer within authorize_timeout";
                return Err(PrepareError::Unavailable(LogError::new(late)));
            }
        }
    }
    let events = match missed {
        MissedEvents::Found(events) => events,
        MissedEvents::Unknown => return Ok(None),
        MissedEvents::NotLoaded | MissedEvents::TooMany => return Err(PrepareError::TooOld),
    };
    let replay = match context.replays.get(&since.epoch, entry, group, &events) {
        Ok(replay) => replay,
        Err(unknown) => {
            let consequence = "a slow client receives a reset";
            unknown.report(model, consequence, &context.metrics);
            return Ok(None);
        }
    };
    Ok(Some(MissedChanges {
        subscription,
        group: ReplayedGroup {
            model,
            entry,
            group,
        },
        replay,
    }))
}

/// Returns a change as the client sees it; `None` if it sees nothing of it.
fn visible<'c>(
    context: &SessionContext,
    event: (u64, u64),
    index: usize,
    missed: &'c MissedChanges<'c>,
) -> Option<VisibleChange<'c>> {
    let MissedChanges {
        subscription,
        group,
        replay,
    } = missed;
    let MissedSubscription { user, granted, .. } = subscription;
    let variant = replay.variant(index, *group, user, *granted, &context.metrics)?;
    Some(VisibleChange {
        missed,
        index,
        variant,
        at: ReplayPosition {
            event,
            appears: variant.action != Action::Deleted,
            subscription: subscription.id.number(),
            ids: 0,
        },
    })
}

impl PortionFrames {
    /// Adds the frames of a change that are not sent yet. Returns `false` if not all of them fit.
    fn add(
        &mut self,
        context: &SessionContext,
        catch_up: &CatchUp,
        change: &VisibleChange<'_>,
    ) -> bool {
        let MissedChanges {
            subscription,
            group,
            replay,
        } = change.missed;
        let &MissedSubscription {
            grant,
            dialect,
            ref ids,
            ..
        } = *subscription;
        let sent = self.sent;
        let sent_ids = ReplayPosition { ids: 0, ..sent };
        if change.at < sent_ids {
            return true;
        }
        // The change at which the last portion ended may have further ids.
        let skipped = if change.at == sent_ids { sent.ids } else { 0 };
        let receivers: Vec<_> = match dialect {
            Dialect::Plain | Dialect::V1 => vec![None],
            Dialect::V0_7 => ids.iter().map(Some).collect(),
        };
        if skipped >= receivers.len() {
            return true;
        }
        let (since, metrics) = (&catch_up.since, &context.metrics);
        let frame = replay.frame(
            change.index,
            *group,
            change.variant,
            dialect,
            since,
            metrics,
        );
        let Some(frame) = frame else { return true };
        for (index, id) in receivers.into_iter().enumerate().skip(skipped) {
            let frame = match id {
                None => frame.clone(),
                Some(id) => v0_7::complete(id, &frame),
            };
            if !self.has_room(&frame) {
                return false;
            }
            self.bytes += frame.bytes().len();
            self.frames.push((grant, frame));
            self.sent = ReplayPosition {
                ids: index + 1,
                ..change.at
            };
        }
        true
    }

    fn has_room(&self, frame: &Frame) -> bool {
        self.frames.is_empty()
            || self.frames.len() < self.max_frames
                && self.bytes + frame.bytes().len() <= self.max_bytes
    }

    fn into_portion(
        self,
        catch_up: &CatchUp,
        resets: Vec<SubscriptionId>,
        is_last: bool,
    ) -> Portion {
        let mut replay = catch_up.replay.clone();
        replay.sent = self.sent;
        let is_v1 = catch_up.is_v1;
        // A change that stands alone has the cursor that the client has reached.
        let is_alone = !replay.is_open && is_last && self.frames.len() == 1;
        let (cursor, unit) = if is_alone {
            (&replay.up_to, None)
        } else {
            (&catch_up.since, Some(&replay.unit))
        };
        let frames = self.frames.into_iter().map(|(grant, frame)| {
            let frame = if is_v1 {
                v1::with_cursor(frame.as_str(), cursor, unit)
            } else {
                frame
            };
            (Some(grant), frame)
        });
        let mut frames: Vec<_> = frames.collect();
        let is_open = is_v1 && (replay.is_open || !is_alone && !frames.is_empty());
        if is_open && is_last {
            frames.push((None, v1::unit(&replay.unit)));
        }
        replay.is_open = is_open && !is_last;
        Portion {
            version: catch_up.version,
            replay,
            frames,
            resets,
            is_last,
            ends: is_last,
        }
    }
}
