//! Clients that are behind: their broadcasts were dropped because they were slow.
//!
//! When what is queued for such a client has been taken, a task
//! ([`session::catch_up`](crate::session::catch_up)) replays its subscriptions from the history, in
//! portions. The task prepares a portion without the lock, and the shard queues it here unless the
//! subscriptions have changed meanwhile. When nothing is missing at the end of a batch, the client
//! receives broadcasts again.

use std::{mem, sync::Arc, time::Instant};

use super::State;
use crate::{
    data::{cursor::Cursor, group_id::GroupId, serializer_set::SerializerSet},
    hub::{
        clients::{
            client::Subscription,
            slow::{BehindVersion, CatchUpReplay},
        },
        ids::{ClientId, GrantId, SubscriptionId},
    },
    metrics::CatchUpEnd,
    model::permission::Identity,
    protocol::{code::ResetReason, dialect::Dialect, frame::Frame, id::Id},
};

/// A client that can take the next portion of what it missed.
#[derive(Debug)]
pub(crate) struct CatchUp {
    /// Everything up to this cursor has been sent.
    pub(crate) since: Cursor,
    pub(crate) replay: CatchUpReplay,
    pub(crate) subscriptions: Vec<MissedSubscription>,
    pub(crate) version: BehindVersion,
    /// Whether the client speaks v1.
    pub(crate) is_v1: bool,
}

/// A subscription of a client that is behind.
#[derive(Debug)]
pub(crate) struct MissedSubscription {
    pub(crate) id: SubscriptionId,
    pub(crate) group: Arc<GroupId>,
    pub(crate) grant: GrantId,
    pub(crate) granted: SerializerSet,
    pub(crate) user: Identity,
    pub(crate) dialect: Dialect,
    /// Events up to this position are not missing.
    pub(crate) since: u64,
    /// The ids to each of which a change is sent, in 0.7.
    pub(crate) ids: Vec<Id>,
}

/// The next part of a replay.
#[derive(Debug)]
pub(crate) struct Portion {
    /// [`CatchUp::version`] from before it was prepared.
    pub(crate) version: BehindVersion,
    /// The replay, as far as it has been queued with this portion.
    pub(crate) replay: CatchUpReplay,
    /// The frames, each with the grant of its subscription. The end of a unit has none.
    pub(crate) frames: Vec<(Option<GrantId>, Frame)>,
    /// The subscriptions whose clients must fetch again, because unknown rows changed.
    pub(crate) resets: Vec<SubscriptionId>,
    /// Whether it is the last portion of the replay.
    pub(crate) is_last: bool,
    /// Whether nothing is missing after it, if the dispatcher has begun no later batch.
    pub(crate) ends: bool,
}

/// Why a portion is not queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PortionError {
    /// The client is not behind any more, or is to be closed.
    Ended,
    /// The subscriptions have changed since it was prepared.
    Outdated,
    /// The dispatcher has begun this batch, which is later than the last one of the replay.
    Advanced(u64),
}

impl State {
    /// Asks the task for the next portion, if a client is behind and can take it.
    pub(crate) fn ask_for_portion(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else {
            return;
        };
        if client.queue.takes_portion()
            && let Some(behind) = client.queue.behind()
        {
            behind.is_served = true;
            self.clients.catching_up.push(id);
            self.context.catching_up.notify_one();
        }
    }

    /// Returns what a client missed, if it is behind. A replay that has not begun covers everything
    /// up to the batch that the dispatcher has begun.
    pub(crate) fn catch_up(&mut self, id: ClientId) -> Option<CatchUp> {
        let (dispatched, batch_id) = self.progress.dispatched()?;
        let client = self.clients.get_mut(id)?;
        if client.queue.close_code().is_some() {
            return None;
        }
        let behind = client.queue.behind()?;
        let since = Cursor {
            epoch: dispatched.epoch.clone(),
            position: behind.since,
        };
        let replay = behind.begin_replay(dispatched, batch_id);
        let (replay, version) = (replay.clone(), behind.version);
        let missed = |subscription: &Subscription| {
            let subscriber = self.groups.subscriber(subscription.key);
            let is_named = subscriber.dialect == Dialect::V0_7;
            let ids = subscription.ids().filter(|_| is_named);
            MissedSubscription {
                id: subscription.id,
                group: Arc::clone(&self.groups[subscription.key.group()].id),
                grant: subscriber.grant,
                granted: subscriber.granted,
                user: subscriber.user.clone(),
                dialect: subscriber.dialect,
                since: subscriber.min_position.max(since.position),
                ids: ids.cloned().collect(),
            }
        };
        let subscriptions = client.subscriptions.iter().map(missed).collect();
        Some(CatchUp {
            since,
            replay,
            subscriptions,
            version,
            is_v1: client.dialect == Some(Dialect::V1),
        })
    }

    /// Queues a portion of what a client missed. Returns whether the task must prepare the next one
    /// at once, because nothing was queued and something is missing.
    ///
    /// # Errors
    /// Why the portion is not queued. Nothing has changed then.
    pub(crate) fn apply_portion(
        &mut self,
        id: ClientId,
        portion: &Portion,
    ) -> Result<bool, PortionError> {
        let batch_id = self.progress.batch_id();
        let client = self.clients.get_mut(id).ok_or(PortionError::Ended)?;
        if client.queue.close_code().is_some() {
            return Err(PortionError::Ended);
        }
        let behind = client.queue.behind().ok_or(PortionError::Ended)?;
        if behind.version != portion.version {
            return Err(PortionError::Outdated);
        }
        if portion.ends && portion.replay.batch_id != batch_id {
            return Err(PortionError::Advanced(batch_id));
        }
        behind.version.changes += 1;
        let is_empty = portion.frames.is_empty() && portion.resets.is_empty();
        let must_continue = is_empty && !portion.ends;
        behind.is_served = must_continue;
        if portion.is_last {
            behind.since = behind.since.max(portion.replay.up_to.position);
            behind.replay = None;
        } else {
            behind.replay = Some(portion.replay.clone());
        }
        self.queue_portion_resets(id, portion);
        let after_event = self.clients.event;
        let queue = &mut self.clients[id.index].queue;
        for (grant, frame) in &portion.frames {
            queue.push_catch_up(*grant, frame.clone(), after_event);
        }
        if portion.ends {
            self.end_catch_up(id, &portion.replay.up_to);
        }
        self.clients.gauge(id.index);
        self.clients.wake(id.index);
        if portion.ends {
            // What is queued is not dropped.
            self.clients[id.index].position = portion.replay.up_to.position;
        }
        Ok(must_continue)
    }

    /// Queues the resets of subscriptions that missed a change of unknown rows: in v1 one for each
    /// id, in the other dialects one for each model.
    fn queue_portion_resets(&mut self, id: ClientId, portion: &Portion) {
        let up_to = &portion.replay.up_to;
        let after_event = self.clients.event;
        let (mut frames, mut models) = (Vec::new(), Vec::new());
        for subscription in &self.clients[id.index].subscriptions {
            if !portion.resets.contains(&subscription.id) {
                continue;
            }
            let label = Arc::clone(&self.groups[subscription.key.group()].model);
            let subscriber = self.groups.subscriber_mut(subscription.key);
            // The reset covers everything up to it.
            subscriber.min_position = subscriber.min_position.max(up_to.position);
            let (dialect, grant) = (subscriber.dialect, subscriber.grant);
            let reset = |id| dialect.reset(id, &label, ResetReason::Bulk, up_to);
            match dialect {
                Dialect::V1 => {
                    frames.extend(subscription.ids().map(|id| (Some(grant), reset(Some(id)))));
                }
                Dialect::Plain | Dialect::V0_7 if !models.contains(&label) => {
                    frames.push((None, reset(None)));
                    models.push(label);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
        }
        self.context
            .metrics
            .count_resets(ResetReason::Bulk, frames.len());
        let queue = &mut self.clients[id.index].queue;
        for (grant, frame) in frames {
            queue.push_catch_up(grant, frame, after_event);
        }
    }

    /// Ends that a client is behind: it receives what is published after the batch that the
    /// dispatcher has begun.
    fn end_catch_up(&mut self, id: ClientId, up_to: &Cursor) {
        let last_event = self.progress.last_event();
        let client = &mut self.clients[id.index];
        if client.queue.end_behind().is_some() {
            self.context.metrics.count_catch_up(CatchUpEnd::Complete);
        }
        for subscription in &client.subscriptions {
            let subscriber = self.groups.subscriber_mut(subscription.key);
            subscriber.min_event = subscriber.min_event.max(last_event);
            subscriber.min_position = subscriber.min_position.max(up_to.position);
        }
    }

    /// Resets a client that is behind, because what it missed cannot be replayed.
    pub(crate) fn give_up_catch_up(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else {
            return;
        };
        if client.queue.end_behind().is_some() {
            client.queue.lagged(Instant::now());
            self.context.metrics.count_catch_up(CatchUpEnd::Reset);
            self.clients.wake(id.index);
        }
    }

    /// Begins the replay of a client that has received a part of a unit: what a subscription
    /// replays then joins the unit of this replay, which also ends the interrupted one.
    pub(super) fn begin_interrupting_replay(&mut self, client: usize) {
        if let Some(behind) = self.clients[client].queue.behind()
            && behind.interrupts_unit
            && let Some((dispatched, batch_id)) = self.progress.dispatched()
        {
            behind.begin_replay(dispatched, batch_id);
        }
    }

    /// Lets the replay of a client that subscribes also cover what was dispatched meanwhile: with
    /// the subscription, the client may receive later states of rows than the replay would show.
    pub(super) fn extend_catch_up(&mut self, client: usize) {
        let queue = &mut self.clients[client].queue;
        queue.subscriptions_changed();
        if let Some(behind) = queue.behind()
            && let Some(replay) = &mut behind.replay
            && let Some((dispatched, batch_id)) = self.progress.dispatched()
        {
            replay.up_to = dispatched;
            replay.batch_id = batch_id;
        }
    }

    /// Continues after a cursor with every client. Clients that have missed something have a reset
    /// due, which also covers what they missed while they were behind.
    pub(super) fn jump_clients(&mut self, cursor: &Cursor, is_of_epoch: bool) {
        let mut ended = 0;
        for (_, client) in self.clients.iter_mut() {
            client.position = cursor.position;
            let queue = &mut client.queue;
            queue.unmark();
            let is_over = !is_of_epoch || queue.reset.is_some();
            if is_over && queue.end_behind().is_some() {
                ended += 1;
            }
            queue.subscriptions_changed();
            if let Some(behind) = queue.behind() {
                // Everything that its subscriptions receive is after the cursor.
                behind.since = cursor.position;
                let replay = behind.replay.take();
                behind.interrupts_unit |= replay.is_some_and(|replay| replay.is_open);
            }
        }
        for _ in 0..ended {
            self.context.metrics.count_catch_up(CatchUpEnd::Reset);
        }
    }

    /// Takes the clients that can take the next portion.
    pub(crate) fn take_catching_up(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.clients.catching_up)
    }
}
