//! Resets: what a client holds may be out of date, so it fetches again.

use std::sync::Arc;

use super::State;
use crate::{
    data::{
        cursor::{Cursor, Epoch, EventPosition},
        scoped_model::ScopedModel,
    },
    hub::{
        clients::{
            client::Subscription,
            send_queue::{Content, MessageKind, Queued},
        },
        ids::{GrantId, SubscriberKey},
    },
    metrics::CatchUpEnd,
    protocol::{code::ResetReason, dialect::Dialect, frame::Frame},
};

impl State {
    /// Queues a reset for the subscribers of a model: in v1 one for each id, in the other dialects
    /// one for each connection. A reset keeps its order among the broadcasts. If the same one is
    /// the last message that is queued, it is not repeated: the client fetches after it anyway.
    pub(super) fn reset_model(&mut self, model: &ScopedModel, at: &EventPosition) {
        let ScopedModel { label, scope } = model;
        let mut concerned: Vec<(usize, SubscriberKey)> = Vec::new();
        for (index, group) in self.groups.iter() {
            if group.model == *label && group.id.scope == *scope {
                let subscribers = group.subscribers.iter();
                let subscribers = subscribers.filter(|(_, s)| at.position > s.min_position);
                let keys = subscribers.map(|(n, s)| (s.client, SubscriberKey::new(index, n)));
                concerned.extend(keys);
            }
        }
        concerned.sort_unstable_by_key(|(client, _)| *client);
        let (mut last_client, mut most_frames) = (None, 1);
        for (client, key) in concerned {
            let subscriber = self.groups.subscriber(key);
            let (dialect, grant) = (subscriber.dialect, subscriber.grant);
            let frame = |id| dialect.reset(id, label, ResetReason::Bulk, &at.cursor);
            match dialect {
                Dialect::V1 => {
                    let subscription = self.clients[client].subscription(key);
                    let ids = subscription.into_iter().flat_map(Subscription::ids);
                    let frames: Vec<_> = ids.map(|id| frame(Some(id))).collect();
                    most_frames = most_frames.max(frames.len());
                    self.push_resets(client, label, Some(grant), frames);
                }
                Dialect::Plain | Dialect::V0_7 if last_client != Some(client) => {
                    last_client = Some(client);
                    self.push_resets(client, label, None, vec![frame(None)]);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
        }
        self.clients.take_in(most_frames, 0);
    }

    pub(super) fn push_resets(
        &mut self,
        index: usize,
        label: &Arc<str>,
        grant: Option<GrantId>,
        frames: Vec<Frame>,
    ) {
        let client = &self.clients[index];
        if client.queue.ignores_changes() {
            return;
        }
        let kind = MessageKind::Reset(label.as_ptr().addr(), grant);
        let logged = client.backlogs.iter();
        let logged =
            logged.filter_map(|key| self.groups[key.group()].last_queued(key.subscriber()));
        let last_logged = logged.max().unwrap_or(0);
        let mut last_resets = client.queue.iter().rev().take_while(|queued| {
            matches!(queued.kind, MessageKind::Reset(..)) && queued.after_event > last_logged
        });
        let is_queued = last_resets.any(|queued| queued.kind == kind);
        drop(last_resets);
        if is_queued {
            return;
        }
        let after_event = self.clients.event;
        self.context
            .metrics
            .count_resets(ResetReason::Bulk, frames.len());
        for frame in frames {
            let queue = &mut self.clients[index].queue;
            let reset = Queued {
                kind,
                content: Content::Frame(frame),
                after_event,
            };
            if !queue.ignores_changes()
                && let Err(limit) = queue.push_reset(&self.context.limits, reset)
            {
                self.start_lag(index, limit);
            }
        }
        self.clients.gauge(index);
        self.clients.wake(index);
    }

    /// Queues a reset for every subscriber, and continues after a cursor, which may belong to
    /// another epoch of the log. Subscriptions that started after the cursor have missed nothing.
    /// Returns how many clients receive a reset.
    pub(crate) fn reset(&mut self, cursor: &Cursor, batch_id: u64, reason: ResetReason) -> usize {
        let before = self.progress.jump(cursor, batch_id);
        self.clients.published = cursor.position;
        // Positions of another epoch cannot be compared. A log that went back has lost events: it
        // uses their positions again.
        let is_of_epoch = before
            .as_ref()
            .is_some_and(|b| b.epoch == cursor.epoch && b.position <= cursor.position);
        let reason = match before {
            Some(_) if !is_of_epoch => ResetReason::Epoch,
            _ => reason,
        };
        let mut has_missed = vec![];
        for group in self.groups.iter_mut() {
            for (_, subscriber) in &mut group.subscribers {
                if !is_of_epoch || subscriber.min_position < cursor.position {
                    subscriber.min_position = cursor.position;
                    has_missed.push(subscriber.client);
                }
            }
        }
        has_missed.sort_unstable();
        has_missed.dedup();
        for client in &has_missed {
            self.clients[*client].queue.reset(reason);
        }
        self.jump_clients(cursor, is_of_epoch);
        for client in &has_missed {
            self.clients.wake(*client);
        }
        has_missed.len()
    }

    /// Takes the reset of everything that is queued for a client: one frame for each model, or in
    /// v1 one for each id.
    pub(crate) fn take_resets(&mut self, client: usize) -> Vec<Frame> {
        let queue = &mut self.clients[client].queue;
        let Some(reason) = queue.reset.take() else {
            return Vec::new();
        };
        // The reset also covers what the client missed while it was behind.
        if queue.end_behind().is_some() {
            self.context.metrics.count_catch_up(CatchUpEnd::Reset);
        }
        self.resets(client, reason)
    }

    /// Returns the cursor of a reset: up to where the dispatcher has begun.
    pub(super) fn last_cursor(&self) -> Cursor {
        // No log has a random epoch, so that resuming from this cursor is another reset.
        self.progress.cursor().cloned().unwrap_or_else(|| Cursor {
            epoch: Epoch::random(),
            position: 0,
        })
    }

    fn resets(&mut self, client: usize, reason: ResetReason) -> Vec<Frame> {
        // The client drops what it has received of a unit.
        self.clients[client].open_unit = None;
        let cursor = self.last_cursor();
        let (mut frames, mut models) = (Vec::new(), Vec::new());
        for subscription in &self.clients[client].subscriptions {
            let label = Arc::clone(&self.groups[subscription.key.group()].model);
            let subscriber = self.groups.subscriber_mut(subscription.key);
            // The reset covers everything up to the cursor.
            subscriber.min_position = subscriber.min_position.max(cursor.position);
            let dialect = subscriber.dialect;
            match dialect {
                Dialect::V1 => {
                    let reset = |id| dialect.reset(Some(id), &label, reason, &cursor);
                    frames.extend(subscription.ids().map(reset));
                }
                Dialect::Plain | Dialect::V0_7 if !models.contains(&label) => {
                    frames.push(dialect.reset(None, &label, reason, &cursor));
                    models.push(label);
                }
                Dialect::Plain | Dialect::V0_7 => {}
            }
        }
        self.context.metrics.count_resets(reason, frames.len());
        frames
    }
}
