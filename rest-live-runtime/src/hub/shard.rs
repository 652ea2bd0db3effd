//! A part of the hub: some clients, the groups that they subscribe to, and the task that writes to
//! them.
//!
//! The state of a shard is under one lock. The lock is never held across an `.await`, during a
//! write to a socket, or while application code runs.

pub(crate) mod backpressure;
pub(crate) mod broadcast;
pub(crate) mod catch_up;
pub(crate) mod credentials;
pub(crate) mod drain;
mod progress;
pub(crate) mod reset;
pub(crate) mod subscriptions;
mod unit;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Bytes;

use self::{progress::Progress, unit::OpenUnit};
use super::{
    clients::{
        Clients,
        client::{Client, Sink},
        send_queue::MessageKind,
    },
    context::HubContext,
    groups::{Groups, audience::Audience},
    ids::ClientId,
};
use crate::{
    data::{cursor::Cursor, group_id::GroupId},
    model::permission::Identity,
    protocol::{code::CloseCode, dialect::Dialect},
};

#[derive(Debug)]
pub(crate) struct Shard {
    pub(super) context: Arc<HubContext>,
    state: Mutex<State>,
    /// Notified when a socket becomes ready.
    pub(super) work: Notify,
    /// Notified when the dispatcher may continue.
    room: Notify,
    /// Notified when what was taken from the queues is written.
    pub(super) written: Notify,
}

/// What the lock of a shard guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) context: Arc<HubContext>,
    pub(crate) clients: Clients,
    pub(crate) groups: Groups,
    pub(crate) progress: Progress,
    /// Users that were replaced. They are dropped after the lock: a user is application code.
    pub(crate) replaced_users: Vec<Identity>,
    pub(crate) open_unit: OpenUnit,
    /// Whether the writer is writing what it took from the queues.
    pub(super) is_writing: bool,
}

impl Shard {
    pub(crate) fn new(context: Arc<HubContext>) -> Self {
        let state = State {
            context: Arc::clone(&context),
            clients: Clients::new(Arc::clone(&context)),
            groups: Groups::new(Arc::clone(&context)),
            progress: Progress::default(),
            replaced_users: Vec::new(),
            open_unit: OpenUnit::default(),
            is_writing: false,
        };
        Self {
            context,
            state: Mutex::new(state),
            work: Notify::new(),
            room: Notify::new(),
            written: Notify::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Runs `act` with the state locked, then wakes the writer if a socket became ready. What `act`
    /// returns is dropped after the lock.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let was_idle = state.clients.ready.is_empty();
        let result = act(&mut state);
        let wakes = was_idle && !state.clients.ready.is_empty();
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        result
    }

    /// Adds a client.
    pub(crate) fn join(
        &self,
        user: impl Into<Option<Identity>>,
        dialect: Option<Dialect>,
    ) -> ClientId {
        let user = user.into();
        self.with(|state| state.clients.join(user, dialect))
    }

    /// Removes a client and its subscriptions.
    pub(crate) fn leave(&self, id: ClientId) {
        // The spans of the subscriptions end after the lock: their end may run application code.
        let left = self.with(|state| state.leave(id));
        drop(left);
    }

    /// Returns what is notified when there is something to take for a client without a socket.
    pub(crate) fn queued(&self, id: ClientId) -> Option<Arc<Notify>> {
        match &self.state().clients.get(id)?.sink {
            Sink::Task(notify) => Some(Arc::clone(notify)),
            Sink::Socket(_) => None,
        }
    }

    /// Waits until everything that was taken from the queues is written.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn written(&self) {
        let written = self.written.notified();
        if self.state().is_writing {
            written.await;
        }
    }

    /// Returns whether sockets are still written to.
    pub(crate) fn is_served(&self) -> bool {
        !self.state().clients.is_abandoned
    }

    /// Drops every socket after the writer has failed, so that nothing waits for it.
    pub(super) fn fail(&self) {
        self.with(State::abandon);
        self.notify_room();
        self.written.notify_waiters();
    }
}

impl State {
    /// Drops every socket, now and from now on.
    pub(crate) fn abandon(&mut self) {
        self.clients.abandon();
        self.is_writing = false;
    }

    fn leave(&mut self, id: ClientId) -> Option<Client> {
        let client = self.clients.get(id)?;
        for subscription in &client.subscriptions {
            self.groups.remove(subscription.key);
        }
        Some(self.clients.remove(id))
    }

    /// Records that the dispatcher begins a batch with a number of events, which ends at `cursor`.
    pub(crate) fn begin_batch(&mut self, cursor: &Cursor, batch_id: u64, events: usize) {
        // The batches before it are published.
        let published = self.progress.cursor().map(|cursor| cursor.position);
        self.clients.published = published.unwrap_or(cursor.position);
        self.clients.event = self.progress.begin_batch(cursor, batch_id, events);
    }

    /// Records that all events of the batch are published. Otherwise this is known when the next
    /// batch begins.
    pub(crate) fn end_batch(&mut self) {
        let published = self.progress.cursor().map(|cursor| cursor.position);
        self.clients.published = published.unwrap_or(self.clients.published);
    }

    /// Returns which subscribers of a group a change must be encoded for. `same_for_all` is whether
    /// all of them see the same.
    pub(crate) fn audience(&self, group: &GroupId, same_for_all: bool) -> Audience {
        let listens = |client: usize| !self.clients[client].queue.ignores_changes();
        self.groups.audience(group, same_for_all, listens)
    }

    /// Closes a client after what is queued has been sent; the first code holds. A client that must
    /// not come back receives nothing of what is queued.
    pub(crate) fn close_session(&mut self, id: ClientId, code: CloseCode) {
        let Some(client) = self.clients.get_mut(id) else {
            return;
        };
        match (code, client.queue.close_code()) {
            (CloseCode::Forbidden, None) => self.close_at_once(id, code),
            _ => {
                client.queue.close(code);
                self.clients.wake(id.index);
            }
        }
    }

    /// Closes a client and drops what is queued.
    pub(crate) fn close_at_once(&mut self, id: ClientId, code: CloseCode) {
        if self.clients.get(id).is_some() {
            self.drop_backlogs(id.index);
            self.clients[id.index].queue.close_at_once(code);
            self.clients.gauge(id.index);
            self.clients.wake(id.index);
        }
    }

    /// Ends a client that has closed, and queues the answer to its close. A close that is queued
    /// already is the answer.
    pub(crate) fn closed_by_client(&mut self, id: ClientId, answer: Bytes) {
        self.close_at_once(id, CloseCode::GoingAway);
        if let Some(socket) = self.clients.get_mut(id).and_then(Client::socket)
            && !std::mem::replace(&mut socket.is_closing, true)
        {
            self.clients.control(id, MessageKind::Close, answer);
        }
    }

    /// Drops what is queued for a client in the logs of its groups.
    pub(super) fn drop_backlogs(&mut self, client: usize) {
        let backlogs = std::mem::take(&mut self.clients[client].backlogs);
        self.groups.drop_queued(backlogs);
    }
}

#[cfg(test)]
mod tests;
