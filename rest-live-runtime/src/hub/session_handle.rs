//! What a session does in its shard: it subscribes, queues answers and takes frames.
//!
//! Each method locks the shard once. Sessions, and the tasks that act for several sessions, call
//! them.

use std::{fmt, mem, sync::Arc, time::Instant};

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Bytes;

use super::{
    clients::{client::Client, expiry::Lifetime, socket::SharedSocket},
    ids::{ClientId, SubscriptionId},
    new_subscription::{NewSubscription, SubscribeError},
    shard::{
        Shard,
        catch_up::{CatchUp, Portion, PortionError},
        credentials::{NewUser, Rights, SetUser},
        drain::Outgoing,
        subscriptions::Subscribed,
    },
};
use crate::{
    data::{cursor::Cursor, group_id::GroupId, serializer_set::SerializerSet},
    protocol::{
        code::{CloseCode, ErrorCode},
        frame::Frame,
        id::Id,
    },
    user_code,
};

/// Addresses a client in its shard. [`Hub::join`](super::Hub::join) creates it. After the client
/// has left, its methods do nothing.
#[derive(Clone)]
pub(crate) struct SessionHandle {
    shard: Arc<Shard>,
    client: ClientId,
}

impl SessionHandle {
    pub(super) fn new(shard: Arc<Shard>, client: ClientId) -> Self {
        Self { shard, client }
    }

    /// Removes the session and its subscriptions.
    pub(crate) fn leave(&self) {
        self.shard.leave(self.client);
    }

    /// Lets the shard's writer write the session's frames to a socket from now on. `sees_pings`
    /// is whether the client gets pings that it can see, as messages.
    pub(crate) fn attach(&self, socket: Arc<SharedSocket>, sees_pings: bool) {
        self.shard
            .with(|state| state.clients.attach(self.client, socket, sees_pings));
    }

    /// Takes what is queued for a session without a socket; `None` if there is nothing.
    pub(crate) fn outgoing(&self) -> Option<Outgoing> {
        self.shard.with(|state| state.outgoing(self.client))
    }

    /// Returns what is notified when something is queued; `None` for a session with a socket.
    pub(crate) fn queued(&self) -> Option<Arc<Notify>> {
        self.shard.queued(self.client)
    }

    /// Queues the answer to a request.
    pub(crate) fn answer(&self, frame: Frame) {
        self.shard
            .with(|state| state.clients.answer(self.client, frame));
    }

    /// Queues a ping message of v1.
    pub(crate) fn ping(&self) {
        self.shard.with(|state| state.ping_message(self.client));
    }

    /// Queues a frame that must not be sent before the client has received what was dropped because
    /// it was slow.
    pub(crate) fn after_catch_up(&self, frame: Frame) {
        self.shard
            .with(|state| state.clients.after_catch_up(self.client, frame));
    }

    /// Returns whether broadcasts of the client were dropped and have not been replayed to it.
    pub(crate) fn is_behind(&self) -> bool {
        self.shard.with(|state| {
            let client = state.clients.get(self.client);
            client.is_some_and(|client| client.queue.is_behind())
        })
    }

    /// Returns what the client missed, if it is behind.
    pub(crate) fn catch_up(&self) -> Option<CatchUp> {
        self.shard.with(|state| state.catch_up(self.client))
    }

    /// Queues a portion of what the client missed. Returns whether the next one must be prepared at
    /// once.
    ///
    /// # Errors
    /// Why the portion is not queued. Nothing has changed then.
    pub(crate) fn apply_portion(&self, portion: &Portion) -> Result<bool, PortionError> {
        self.shard
            .with(|state| state.apply_portion(self.client, portion))
    }

    /// Resets the client, because what it missed cannot be replayed.
    pub(crate) fn give_up_catch_up(&self) {
        self.shard.with(|state| state.give_up_catch_up(self.client));
    }

    /// Returns how far the dispatcher has come, and the number of the batch that it has begun.
    pub(crate) fn dispatched(&self) -> Option<(Cursor, u64)> {
        self.shard.with(|state| state.progress.dispatched())
    }

    /// Subscribes the session to a group.
    ///
    /// # Errors
    /// Why the session cannot have the subscription. Nothing has changed then.
    pub(crate) fn subscribe(&self, new: &NewSubscription) -> Result<(), SubscribeError> {
        self.shard.with(|state| state.subscribe(self.client, new))
    }

    /// Ends the subscription to a group, if there is one.
    pub(crate) fn unsubscribe(&self, group: &GroupId) {
        // The span of the subscription ends after the lock.
        let ended = self
            .shard
            .with(|state| state.unsubscribe(self.client, group));
        drop(ended);
    }

    /// Ends what the session calls by an id, and queues the answer. Returns whether there was any.
    pub(crate) fn unsubscribe_id(&self, id: &Id, answer: Option<Frame>) -> bool {
        let ended = self
            .shard
            .with(|state| state.unsubscribe_id(self.client, id, answer));
        !ended.is_empty()
    }

    /// Returns whether the session calls a subscription by an id.
    pub(crate) fn has_id(&self, id: &Id) -> bool {
        self.shard
            .with(|state| state.clients.get(self.client).is_some_and(|c| c.has_id(id)))
    }

    /// Returns the subscriptions of the session.
    pub(crate) fn subscriptions(&self) -> Vec<Subscribed> {
        self.shard.with(|state| state.subscriptions_of(self.client))
    }

    /// Returns whether no answer would reach the client: it has left, or is to be closed.
    pub(crate) fn is_gone(&self) -> bool {
        let socket = self.shard.with(|state| {
            let client = state.clients.get(self.client);
            client
                .filter(|c| c.queue.close_code().is_none())
                .map(Client::shared_socket)
        });
        match socket {
            Some(Some(socket)) => socket.has_hung_up(),
            Some(None) => false,
            None => true,
        }
    }

    /// Returns the version of the session's rights. An answer of `authorize` holds if the version
    /// is still the one from before the question.
    pub(crate) fn rights_version(&self) -> u64 {
        self.shard.with(|state| {
            let client = state.clients.get(self.client);
            client.map_or(0, |client| client.rights_version)
        })
    }

    /// Returns the user of the session and the version of its rights; `None` without a user.
    pub(crate) fn rights(&self) -> Option<Rights> {
        self.shard.with(|state| state.rights(self.client))
    }

    /// Replaces the user: see [`State::set_user`](super::shard::State::set_user).
    pub(crate) fn set_user(
        &self,
        new: &NewUser,
        is_current: impl FnOnce() -> bool,
        is_decided: impl Fn(&GroupId) -> bool,
    ) -> SetUser {
        let (set, replaced) = self.shard.with(|state| {
            let set = state.set_user(self.client, new, is_current, is_decided);
            (set, mem::take(&mut state.replaced_users))
        });
        self.shard.work.notify_one();
        // A user may run application code when it is dropped.
        _ = user_code::call(|| drop(replaced));
        set
    }

    /// Sets how long the session may stay: until its credentials expire.
    pub(crate) fn set_lifetime(&self, lifetime: Lifetime) {
        let now = Instant::now();
        self.shard
            .with(|state| state.clients.set_lifetime(self.client, lifetime, now));
        self.shard.work.notify_one();
    }

    /// Waits until everything that was taken from the queues of its shard is written.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn written(&self) {
        self.shard.written().await;
    }

    /// Invalidates the answers of `authorize` that are on their way.
    pub(crate) fn reauthorize(&self) {
        self.shard.with(|state| {
            if let Some(client) = state.clients.get_mut(self.client) {
                client.rights_version += 1;
            }
        });
    }

    /// Applies the answer to a question about a subscription: it continues as granted, or ends with
    /// an error code that the client receives. Returns `None` if the answer is outdated, else
    /// whether the subscription ended.
    pub(crate) fn apply(
        &self,
        subscription: SubscriptionId,
        rights_version: u64,
        answer: Result<SerializerSet, ErrorCode>,
    ) -> Option<bool> {
        let applied = self
            .shard
            .with(|state| state.apply(self.client, subscription, rights_version, answer));
        applied.map(|ended| ended.is_some())
    }

    /// Declares that the socket accepts data again.
    pub(crate) fn writable(&self) {
        self.shard.with(|state| state.clients.writable(self.client));
    }

    /// Queues the pongs that the client is owed.
    pub(crate) fn pong(&self, pongs: Bytes) {
        self.shard
            .with(|state| state.clients.pong(self.client, pongs));
    }

    /// Closes the session after what is queued has been sent. A client that must not come back
    /// receives nothing of what is queued.
    pub(crate) fn close(&self, code: CloseCode) {
        self.shard
            .with(|state| state.close_session(self.client, code));
    }

    /// Ends a session whose client has closed, and queues the answer to the close.
    pub(crate) fn closed_by_client(&self, answer: Bytes) {
        self.shard
            .with(|state| state.closed_by_client(self.client, answer));
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}
