//! Subscriptions: how they start, change and end.

use std::sync::Arc;

use tracing::Span;

use super::State;
use crate::{
    data::{cursor::Cursor, group_id::GroupId, serializer_set::SerializerSet},
    hub::{
        clients::client::{Client, Name, Subscription, WriteState},
        groups::{
            group::Group,
            subscriber::{Backlog, Subscriber},
        },
        ids::{ClientId, SubscriberKey, SubscriptionId},
        new_subscription::{NewSubscription, StartPoint, SubscribeError},
    },
    model::permission::Identity,
    protocol::{
        code::{ErrorCode, ResetReason},
        dialect::Dialect,
        frame::Frame,
        id::Id,
        v1,
    },
};

/// A subscription, for a task that asks about its rights again.
#[derive(Clone, Debug)]
pub(crate) struct Subscribed {
    pub(crate) group: Arc<GroupId>,
    pub(crate) id: SubscriptionId,
    pub(crate) span: Span,
}

/// A subscription, or one of its ids, has ended. It is dropped after the lock: the end of its span
/// may run application code.
#[derive(Debug)]
pub(crate) struct Ended {
    _span: Option<Span>,
}

impl State {
    /// Subscribes a client to a group. Its answers are queued before everything that the
    /// subscription brings. Subscribing again to a group changes nothing, but may add an id.
    ///
    /// # Errors
    /// Why the client cannot have the subscription. Nothing has changed then.
    pub(crate) fn subscribe(
        &mut self,
        id: ClientId,
        new: &NewSubscription,
    ) -> Result<(), SubscribeError> {
        let dispatched = self.progress.cursor();
        let Some(start) = new.start.cursor().or(dispatched).cloned() else {
            // The log has not begun.
            return Err(SubscribeError::Outdated);
        };
        let dispatched = dispatched.map_or(0, |cursor| cursor.position);
        let client = self.clients.get(id).ok_or(SubscribeError::Gone)?;
        if new.rights_version != client.rights_version || !self.progress.is_of_epoch(&start) {
            return Err(SubscribeError::Outdated);
        }
        if let Some(id) = &new.id
            && new.dialect == Dialect::V1
            && client.has_id(id)
        {
            return Err(SubscribeError::IdInUse);
        }
        let present = self.find(client, &new.group);
        let adds = present.is_none_or(|present| {
            let present = &client.subscriptions[present];
            new.id.as_ref().is_some_and(|id| !present.has_id(id))
        });
        let limit = self.context.limits.max_subscriptions;
        if adds && client.subscription_count as usize >= limit {
            return Err(SubscribeError::TooMany);
        }
        let batch_id = self.progress.batch_id();
        if let StartPoint::Resumed { batch_id: seen, .. } = &new.start
            && *seen != batch_id
        {
            return Err(SubscribeError::Advanced(batch_id));
        }
        if self.would_interrupt_unit(client, &new.start) {
            return Err(SubscribeError::UnitOpen);
        }
        let min_position = match present {
            // It continues after what was dispatched; the log's head may be further.
            Some(present) => {
                let key = client.subscriptions[present].key;
                self.groups.subscriber(key).min_position.max(dispatched)
            }
            // A new subscription misses what the dispatcher has begun.
            None => start.position.max(dispatched),
        };
        let answers = new.answers(&Cursor {
            epoch: start.epoch,
            position: min_position,
        });
        let Some(user) = client.current_user().cloned() else {
            return Err(SubscribeError::Gone);
        };
        let index = match present {
            Some(present) => {
                self.regrant(id.index, present, new.granted);
                present
            }
            None => self.add(id, new, user, min_position),
        };
        self.extend_catch_up(id.index);
        // The name also misses what the dispatcher has begun.
        let min_event = self.progress.last_event();
        let client = &mut self.clients[id.index];
        client.dialect = Some(new.dialect);
        let subscription = &mut client.subscriptions[index];
        let key = subscription.key;
        if adds {
            client.subscription_count += 1;
            self.context.metrics.subscriptions.increment(1.0);
            subscription.names.reserve_exact(1);
            let name = new.id.clone().map(|id| Name { id, min_event });
            subscription.names.extend(name);
            let names = subscription.names.len();
            self.set_names(key, names);
        }
        for answer in answers {
            self.clients.answer(id, answer);
        }
        match &new.start {
            StartPoint::Now(_) => {}
            StartPoint::Resumed {
                since,
                replayed,
                unit_end,
                ..
            } => {
                let grant = self.groups.subscriber(key).grant;
                // No other unit may come between the frames of one.
                self.begin_interrupting_replay(id.index);
                let unit = self.clients[id.index].queue.catch_up_unit().cloned();
                for frame in replayed {
                    let frame = match &unit {
                        Some(unit) => v1::with_cursor(frame.as_str(), since, Some(unit)),
                        None => frame.clone(),
                    };
                    self.clients.replay(id, grant, frame);
                }
                if let Some(end) = unit_end
                    && unit.is_none()
                {
                    self.clients.end_replay(id, end.clone());
                }
            }
            StartPoint::Reset(reason, _) => self.context.metrics.count_resets(*reason, 1),
        }
        self.clients.send_stale(id.index);
        Ok(())
    }

    fn add(
        &mut self,
        id: ClientId,
        new: &NewSubscription,
        user: Identity,
        min_position: u64,
    ) -> usize {
        let (subscription, grant) = (self.clients.next_subscription(), self.clients.next_grant());
        let client = &mut self.clients[id.index];
        let create = || {
            let names = Arc::clone(&new.group_names);
            Group::new(new.group.clone(), names, Arc::clone(&new.model))
        };
        let subscriber = Subscriber {
            grant,
            client: id.index,
            dialect: new.dialect,
            user,
            granted: new.granted,
            min_position,
            min_event: self.progress.last_event(),
            frames_per_change: 1,
            backlog: Backlog::Empty,
        };
        let key = self.groups.insert(&new.group, create, subscriber);
        // Most clients have one subscription.
        client
            .subscriptions
            .reserve_exact(usize::from(client.subscriptions.is_empty()));
        client.subscriptions.push(Subscription {
            id: subscription,
            key,
            names: Vec::new(),
            span: new.span.clone(),
        });
        client.subscriptions.len() - 1
    }

    /// Ends the subscription of a client to a group, if there is one.
    pub(crate) fn unsubscribe(&mut self, id: ClientId, group: &GroupId) -> Option<Ended> {
        let index = self.find(self.clients.get(id)?, group)?;
        Some(self.end(id, index))
    }

    /// Ends what a client calls by an id, and queues the answer if there was anything.
    pub(crate) fn unsubscribe_id(
        &mut self,
        client: ClientId,
        id: &Id,
        answer: Option<Frame>,
    ) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Some(index) = self
            .clients
            .get(client)
            .and_then(|c| c.subscriptions.iter().position(|s| s.has_id(id)))
        {
            let subscription = &mut self.clients[client.index].subscriptions[index];
            if subscription.names.len() > 1 {
                subscription.names.retain(|name| name.id != *id);
                let (names, key) = (subscription.names.len(), subscription.key);
                self.set_names(key, names);
                self.clients[client.index].queue.subscriptions_changed();
                self.drop_addressed(client, key);
                // What is queued for the subscription was counted with this id.
                self.recount(client.index);
                self.clients[client.index].subscription_count -= 1;
                self.context.metrics.subscriptions.decrement(1.0);
                ended.push(Ended { _span: None });
            } else {
                ended.push(self.end(client, index));
            }
        }
        if let Some(answer) = answer.filter(|_| !ended.is_empty()) {
            self.clients.answer(client, answer);
        }
        ended
    }

    /// Applies the answer to a question about a subscription: it continues as granted, or ends with
    /// an error code that its client receives. Returns `None` if the answer is outdated, else
    /// what ended.
    pub(crate) fn apply(
        &mut self,
        id: ClientId,
        subscription: SubscriptionId,
        rights_version: u64,
        answer: Result<SerializerSet, ErrorCode>,
    ) -> Option<Option<Ended>> {
        let Some(client) = self.clients.get(id) else {
            return Some(None);
        };
        if client.rights_version != rights_version {
            return None;
        }
        let mut subscriptions = client.subscriptions.iter();
        let Some(index) = subscriptions.position(|s| s.id == subscription) else {
            return Some(None);
        };
        let code = match answer {
            Ok(granted) => {
                self.regrant(id.index, index, granted);
                return Some(None);
            }
            Err(code) => code,
        };
        let frames = self.revocations(&client.subscriptions[index], code);
        let ended = self.end(id, index);
        for frame in frames {
            self.clients.answer(id, frame);
        }
        Some(Some(ended))
    }

    /// Encodes what a client receives when a subscription is revoked.
    fn revocations(&self, subscription: &Subscription, code: ErrorCode) -> Vec<Frame> {
        let group = &self.groups[subscription.key.group()];
        let dialect = self.groups.subscriber(subscription.key).dialect;
        let revoked = |id| dialect.revoked(id, code, &group.model, group.name());
        if subscription.names.is_empty() {
            return vec![revoked(None)];
        }
        subscription.ids().map(|id| revoked(Some(id))).collect()
    }

    /// Returns the subscriptions of a client.
    pub(crate) fn subscriptions_of(&self, id: ClientId) -> Vec<Subscribed> {
        let Some(client) = self.clients.get(id) else {
            return Vec::new();
        };
        let subscribed = |subscription: &Subscription| Subscribed {
            group: Arc::clone(&self.groups[subscription.key.group()].id),
            id: subscription.id,
            span: subscription.span.clone(),
        };
        client.subscriptions.iter().map(subscribed).collect()
    }

    /// Shows a subscription its rows by other serializers. What is queued was made by the earlier
    /// ones: it is dropped for a reset, which also covers what the client holds.
    fn regrant(&mut self, client: usize, index: usize, granted: SerializerSet) {
        let key = self.clients[client].subscriptions[index].key;
        if self.groups.subscriber(key).granted == granted {
            return;
        }
        let grant = self.clients.next_grant();
        self.drop_subscription_queue(client, key);
        self.clients[client].queue.subscriptions_changed();
        let subscriber = self.groups.subscriber_mut(key);
        subscriber.granted = granted;
        subscriber.grant = grant;
        self.clients[client].queue.reset(ResetReason::Bulk);
        self.clients.wake(client);
    }

    /// Drops what is addressed to an id of 0.7 that has ended: messages that are being written, or
    /// were put back, contain the id already. The other ids receive a reset.
    fn drop_addressed(&mut self, id: ClientId, key: SubscriberKey) {
        let subscriber = self.groups.subscriber(key);
        let (dialect, grant) = (subscriber.dialect, subscriber.grant);
        let client = &mut self.clients[id.index];
        let is_queued = client
            .queue
            .iter()
            .any(|queued| queued.kind.grant() == Some(grant));
        let is_writing = client
            .socket()
            .is_some_and(|socket| socket.state == WriteState::Writing);
        if dialect == Dialect::V0_7 && (is_queued || is_writing) {
            client.queue.drop_grant(grant);
            client.queue.reset(ResetReason::Bulk);
            let grant = self.clients.next_grant();
            self.groups.subscriber_mut(key).grant = grant;
        }
    }

    /// Drops everything that is queued for a subscription.
    pub(super) fn drop_subscription_queue(&mut self, client: usize, key: SubscriberKey) {
        let grant = self.groups.subscriber(key).grant;
        self.groups.drop_queued([key]);
        self.clients[client].backlogs.retain(|other| *other != key);
        self.clients[client].queue.drop_grant(grant);
        self.recount(client);
    }

    /// Ends a subscription.
    fn end(&mut self, id: ClientId, index: usize) -> Ended {
        let key = self.clients[id.index].subscriptions[index].key;
        self.drop_subscription_queue(id.index, key);
        let client = &mut self.clients[id.index];
        client.queue.subscriptions_changed();
        let subscription = client.subscriptions.swap_remove(index);
        let count = subscription.count();
        client.subscription_count -= count as u32;
        self.context.metrics.subscriptions.decrement(count as f64);
        self.groups.remove(key);
        Ended {
            _span: Some(subscription.span),
        }
    }

    /// Returns which of a client's subscriptions is to a group.
    fn find(&self, client: &Client, group: &GroupId) -> Option<usize> {
        let group = self.groups.find(group)?;
        let mut subscriptions = client.subscriptions.iter();
        subscriptions.position(|s| s.key.group() == group)
    }

    /// Records the number of names: in 0.7 each of them receives every change.
    fn set_names(&mut self, key: SubscriberKey, names: usize) {
        let subscriber = self.groups.subscriber_mut(key);
        if subscriber.dialect == Dialect::V0_7 {
            subscriber.frames_per_change = names;
        }
    }
}
