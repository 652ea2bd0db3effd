//! The users of clients: how another user replaces the current one, and how credentials expire.

use std::{mem, time::Instant};

use super::State;
use crate::{
    data::group_id::GroupId,
    hub::{
        clients::{
            client::Subscription,
            expiry::{DueExpiry, Lifetime},
        },
        ids::{ClientId, SubscriberKey},
    },
    model::permission::Identity,
    protocol::{
        code::{CloseCode, ResetReason},
        dialect::Dialect,
        v1,
    },
};

/// The user of a session, and the version of its rights. An answer of `authorize` about this user
/// holds if the version is still the same.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    pub(crate) version: u64,
    pub(crate) user: Identity,
}

/// A user that was authenticated on an open connection.
#[derive(Debug)]
pub(crate) struct NewUser {
    pub(crate) user: Identity,
    /// Whether it equals the current user, so that it sees the same rows.
    pub(crate) is_same: bool,
    pub(crate) lifetime: Lifetime,
}

/// What became of a new user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetUser {
    Set,
    /// Users were disconnected since the token was checked.
    Outdated,
    /// The client has left or is to be closed.
    Gone,
}

impl State {
    /// Returns the user of a client and the version of its rights; `None` without a user.
    pub(crate) fn rights(&self, id: ClientId) -> Option<Rights> {
        let client = self.clients.get(id)?;
        Some(Rights {
            version: client.rights_version,
            user: client.current_user()?.clone(),
        })
    }

    /// Replaces the user of a client and of its subscriptions. Answers of `authorize` about the
    /// earlier user do not hold any more. If the users differ, subscriptions to groups that
    /// `is_decided` selects drop what was queued for the earlier user, and are reset.
    ///
    /// `is_current` is whether no users were disconnected since the token was checked. Under the
    /// lock, so that later disconnections see the new user. If the user is not set, nothing has
    /// changed.
    pub(crate) fn set_user(
        &mut self,
        id: ClientId,
        new: &NewUser,
        is_current: impl FnOnce() -> bool,
        is_decided: impl Fn(&GroupId) -> bool,
    ) -> SetUser {
        let client = self.clients.get_mut(id);
        let Some(client) = client.filter(|client| client.queue.close_code().is_none()) else {
            return SetUser::Gone;
        };
        if !is_current() {
            return SetUser::Outdated;
        }
        self.replaced_users
            .extend(client.user.replace(new.user.clone()));
        client.rights_version += 1;
        // What was prepared for the earlier user is not sent.
        client.queue.subscriptions_changed();
        let mut keys: Vec<_> = client.subscriptions.iter().map(|s| s.key).collect();
        for key in &keys {
            let user = &mut self.groups.subscriber_mut(*key).user;
            self.replaced_users
                .push(mem::replace(user, new.user.clone()));
        }
        if !new.is_same {
            keys.retain(|key| is_decided(&self.groups[key.group()].id));
            self.renew(id.index, &keys);
        }
        self.clients.set_lifetime(id, new.lifetime, Instant::now());
        SetUser::Set
    }

    /// Drops what is queued for subscriptions, and what the dispatcher is preparing for them. Their
    /// client receives a reset for each id instead. It speaks v1, because in the other dialects no
    /// request that changes the user follows a subscription.
    fn renew(&mut self, client: usize, keys: &[SubscriberKey]) {
        let cursor = self.last_cursor();
        let after_event = self.clients.event;
        let queue = &self.clients[client].queue;
        let is_slow = queue.ignores_changes() || queue.is_behind();
        for key in keys {
            self.drop_subscription_queue(client, *key);
            let grant = self.clients.next_grant();
            let subscriber = self.groups.subscriber_mut(*key);
            subscriber.grant = grant;
            // The reset covers everything up to the cursor.
            subscriber.min_position = subscriber.min_position.max(cursor.position);
            let subscription = self.clients[client].subscription(*key);
            let ids = subscription.into_iter().flat_map(Subscription::ids);
            let reset = |id| v1::reset(id, ResetReason::Bulk, &cursor);
            let frames: Vec<_> = ids.map(reset).collect();
            if is_slow {
                continue;
            }
            let metrics = &self.context.metrics;
            metrics.count_resets(ResetReason::Bulk, frames.len());
            let queue = &mut self.clients[client].queue;
            for frame in frames {
                // A lag must not drop it: no replay covers what was dropped here.
                queue.push_catch_up(Some(grant), frame, after_event);
            }
            self.clients.gauge(client);
            self.clients.wake(client);
        }
        if is_slow && !keys.is_empty() {
            // What was dropped cannot be sent to this user.
            self.clients[client].queue.reset(ResetReason::Bulk);
            self.clients.wake(client);
        }
    }

    /// Warns the clients whose credentials expire soon, and closes those whose credentials have
    /// expired.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((id, due)) = self.clients.pop_due(now) {
            let client = &mut self.clients[id.index];
            if client.queue.close_code().is_some() {
                continue;
            }
            match due {
                DueExpiry::Warning(remaining) => {
                    let by_message = client.expiry.as_ref().is_some_and(|e| e.by_message);
                    let understands = match client.dialect {
                        Some(dialect) => dialect == Dialect::V1,
                        None => by_message,
                    };
                    if understands {
                        let frame = v1::expiring(remaining.as_millis() as u64);
                        self.clients.answer(id, frame);
                    }
                }
                DueExpiry::Expired => {
                    // What an authorize still answers about this user does not hold.
                    client.is_expired = true;
                    client.rights_version += 1;
                    self.close_at_once(id, CloseCode::Unauthenticated);
                }
            }
        }
    }
}
