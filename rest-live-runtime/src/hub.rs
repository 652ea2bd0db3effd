//! The subscriptions of this node, by group.
//!
//! The dispatcher publishes into it, sessions subscribe in it; it waits for neither. All of it is
//! under one lock, which is never held across an await, nor while application code runs.

mod grant;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

pub(crate) use self::grant::{Grant, Refused};
use crate::{
    change::Granted,
    code::{CloseCode, ResetReason},
    cursor::Cursor,
    dialect::{Dialect, Id},
    frame::Frame,
    group::GroupKey,
    metrics::Metrics,
    outbox::Outbox,
    permission::Identity,
    registry::ModelEntry,
    subscription::Subscription,
};

/// Number of a session of this node, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

#[derive(Debug)]
pub(crate) struct Hub {
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    sessions: HashMap<SessionId, SessionEntry>,
    /// Groups that have a subscriber.
    groups: HashMap<GroupKey, HashMap<SessionId, Arc<Subscription>>>,
    /// Up to where the dispatcher came. What it has begun to hand out, a subscription that begins now
    /// has missed.
    dispatched: Option<Cursor>,
    closed: Option<CloseCode>,
    /// Whether any group has a subscriber.
    subscribed: watch::Sender<bool>,
}

#[derive(Debug)]
struct SessionEntry {
    outbox: Arc<Outbox>,
    user: Identity,
    subscriptions: HashMap<GroupKey, Arc<Subscription>>,
    /// The subscriptions, those to one group under several ids each counted.
    count: usize,
    /// How often they were to be authorized anew: an answer from before does not hold.
    reauthorized: u64,
}

impl Hub {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session. After [`close`](Self::close) it is closed at once.
    pub(crate) fn join(&self, outbox: Arc<Outbox>, user: Identity) -> SessionId {
        let mut state = self.state();
        if let Some(code) = state.closed {
            outbox.close(code);
        }
        let id = SessionId(state.next_id);
        state.next_id += 1;
        let session = SessionEntry {
            outbox,
            user,
            subscriptions: HashMap::new(),
            count: 0,
            reauthorized: 0,
        };
        state.sessions.insert(id, session);
        self.metrics.connections.increment(1.0);
        id
    }

    /// Takes a session and its subscriptions out.
    pub(crate) fn leave(&self, id: SessionId) {
        let mut state = self.state();
        let Some(session) = state.sessions.remove(&id) else {
            return;
        };
        self.metrics.connections.decrement(1.0);
        self.metrics.subscriptions.decrement(session.count as f64);
        for (group, subscription) in &session.subscriptions {
            session.outbox.end(&subscription.standing, Vec::new());
            state.remove(group, id);
        }
        // Before the subscriptions and their spans, whose end is an event to the application's own code.
        drop(state);
    }

    /// Subscribes a session to what happens in a group from now on. Subscribing again changes nothing,
    /// but that the subscription may have one more id. `answers` is what the client gets, before all
    /// that the subscription brings; it is made with the cursor at which it begins.
    ///
    /// # Errors
    /// Why the session cannot have it.
    pub(crate) fn subscribe(
        &self,
        session: SessionId,
        grant: Grant,
        most: usize,
        answers: impl FnOnce(&Cursor) -> Vec<Frame>,
    ) -> Result<(), Refused> {
        let state = &mut *self.state();
        let is_of_epoch = state.is_of_epoch(&grant.head);
        let Some(entry) = state.sessions.get_mut(&session) else {
            return Err(Refused::Gone);
        };
        if grant.asked != entry.reauthorized || !is_of_epoch {
            return Err(Refused::Outdated);
        }
        let present = entry.subscriptions.get(&grant.group);
        if let Some(id) = &grant.id
            && grant.dialect == Dialect::V1
            && entry.with_id(id).next().is_some()
        {
            return Err(Refused::IdInUse);
        }
        let adds = present.is_none_or(|present| {
            grant
                .id
                .as_ref()
                .is_some_and(|id| !present.ids().contains(id))
        });
        if adds && entry.count >= most {
            return Err(Refused::TooMany);
        }
        let dispatched = state.dispatched.as_ref().map_or(0, |d| d.position);
        let begins = match present {
            // It goes on behind what was handed out, which the log's head may be ahead of.
            Some(present) => present.begins().max(dispatched),
            // What the dispatcher has begun to hand out, this subscription has missed.
            None => grant.head.position.max(dispatched),
        };
        let cursor = Cursor {
            epoch: grant.head.epoch,
            position: begins,
        };
        let subscription = match present {
            Some(present) => {
                entry.outbox.regrant(&present.standing, grant.granted);
                Arc::clone(present)
            }
            None => {
                let subscription = Arc::new(Subscription::new(
                    grant.group.clone(),
                    grant.dialect,
                    entry.user.clone(),
                    Arc::clone(&entry.outbox),
                    grant.span,
                    grant.granted,
                    cursor.position,
                ));
                entry
                    .subscriptions
                    .insert(grant.group.clone(), Arc::clone(&subscription));
                let subscribers = state.groups.entry(grant.group).or_default();
                subscribers.insert(session, Arc::clone(&subscription));
                state.subscribed.send_replace(true);
                subscription
            }
        };
        if adds {
            entry.count += 1;
            self.metrics.subscriptions.increment(1.0);
            subscription.ids().extend(grant.id);
        }
        // Under the lock: the dispatcher cannot have found the subscription yet.
        for answer in answers(&cursor) {
            entry.outbox.answer(answer);
        }
        Ok(())
    }

    /// Ends the subscription of a session to a group, if there is one.
    pub(crate) fn unsubscribe(&self, session: SessionId, group: &GroupKey) {
        let ended = self
            .state()
            .end(session, group, |_| Vec::new(), &self.metrics);
        drop(ended);
    }

    /// Ends what a session calls by an id, with the answer to that. Returns whether there was anything.
    pub(crate) fn unsubscribe_id(
        &self,
        session: SessionId,
        id: &Id,
        answer: Option<Frame>,
    ) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(entry) = state.sessions.get_mut(&session) else {
            return false;
        };
        let called: Vec<_> = entry.with_id(id).cloned().collect();
        for subscription in &called {
            if subscription.ids().len() > 1 {
                subscription.ids().retain(|other| other != id);
                entry.count -= 1;
                self.metrics.subscriptions.decrement(1.0);
            }
        }
        let outbox = Arc::clone(&entry.outbox);
        for subscription in &called {
            if subscription.ids().first() == Some(id) {
                state.end(session, &subscription.group, |_| Vec::new(), &self.metrics);
            }
        }
        if let Some(answer) = answer.filter(|_| !called.is_empty()) {
            outbox.answer(answer);
        }
        // Before what was ended.
        drop(guard);
        !called.is_empty()
    }

    /// Has the answer to a question take effect that was asked about a subscription: it goes on as
    /// granted, or ends, and its client is told `last`, which is made with its ids. Returns `None` if the
    /// answer is outdated, or whether the subscription has ended by it.
    pub(crate) fn settle(
        &self,
        session: SessionId,
        subscription: &Arc<Subscription>,
        asked: u64,
        granted: Option<Granted>,
        last: impl FnOnce(&[Id]) -> Vec<Frame>,
    ) -> Option<bool> {
        let mut state = self.state();
        let Some(entry) = state.sessions.get(&session) else {
            return Some(false);
        };
        if entry.reauthorized != asked {
            return None;
        }
        let present = entry.subscriptions.get(&subscription.group);
        if !present.is_some_and(|present| Arc::ptr_eq(present, subscription)) {
            return Some(false);
        }
        if let Some(granted) = granted {
            entry.outbox.regrant(&subscription.standing, granted);
            return Some(false);
        }
        state.end(session, &subscription.group, last, &self.metrics);
        Some(true)
    }

    /// Returns whether a session calls something by an id.
    pub(crate) fn has_id(&self, session: SessionId, id: &Id) -> bool {
        let state = self.state();
        let entry = state.sessions.get(&session);
        entry.is_some_and(|entry| entry.with_id(id).next().is_some())
    }

    /// Takes note that what happened up to a cursor is being handed out.
    pub(crate) fn dispatching(&self, cursor: &Cursor) {
        self.state().dispatched = Some(cursor.clone());
    }

    /// Returns those subscribers of a group who are to see what happened at a position of the log.
    pub(crate) fn subscribers(&self, group: &GroupKey, position: u64) -> Vec<Arc<Subscription>> {
        let state = self.state();
        let Some(subscribers) = state.groups.get(group) else {
            return Vec::new();
        };
        let concerned = subscribers.values().filter(|s| s.concerns(position));
        concerned.cloned().collect()
    }

    /// Returns those subscribers of a model who are to see what happened at a position of the log.
    pub(crate) fn subscribers_of(
        &self,
        model: &ModelEntry,
        position: u64,
    ) -> Vec<Arc<Subscription>> {
        let state = self.state();
        let subscriptions = state
            .sessions
            .values()
            .flat_map(|s| s.subscriptions.values());
        let concerned = subscriptions.filter(|s| model.has_group(&s.group) && s.concerns(position));
        concerned.cloned().collect()
    }

    /// Returns the subscriptions of a session.
    pub(crate) fn subscriptions_of(&self, session: SessionId) -> Vec<Arc<Subscription>> {
        let state = self.state();
        let entry = state.sessions.get(&session);
        entry.map_or_else(Vec::new, |entry| {
            entry.subscriptions.values().cloned().collect()
        })
    }

    /// Returns the sessions and their users.
    pub(crate) fn users(&self) -> Vec<(SessionId, Identity)> {
        let state = self.state();
        let users = state.sessions.iter();
        users.map(|(id, entry)| (*id, entry.user.clone())).collect()
    }

    /// Returns what an answer must be settled with that is asked for now.
    pub(crate) fn asking(&self, session: SessionId) -> u64 {
        let state = self.state();
        let entry = state.sessions.get(&session);
        entry.map_or(0, |entry| entry.reauthorized)
    }

    /// Says that answers about these sessions' subscriptions that were asked for before hold no more.
    pub(crate) fn reauthorize(&self, sessions: &[SessionId]) {
        let mut state = self.state();
        for session in sessions {
            if let Some(entry) = state.sessions.get_mut(session) {
                entry.reauthorized += 1;
            }
        }
    }

    /// Has a session go on behind a cursor: what happened before it is covered by a reset.
    pub(crate) fn go_on_after(&self, session: SessionId, cursor: &Cursor) {
        let state = self.state();
        // Of another epoch, the dispatcher has not heard yet: its own reset follows.
        if state.is_of_epoch(cursor)
            && let Some(entry) = state.sessions.get(&session)
        {
            for subscription in entry.subscriptions.values() {
                subscription.go_on_after(cursor.position);
            }
        }
    }

    /// Returns whether anybody is subscribed to anything, from now on.
    pub(crate) fn subscribed(&self) -> watch::Receiver<bool> {
        self.state().subscribed.subscribe()
    }

    /// Tells every subscriber that changes were missed, and goes on behind a cursor, which may be
    /// another log's by now. Who has subscribed behind it has missed nothing. Returns how many sessions are told.
    pub(crate) fn reset(&self, cursor: &Cursor) -> usize {
        let state = &mut *self.state();
        let before = state.dispatched.replace(cursor.clone());
        // Positions of another life of the log say nothing.
        let is_of_epoch = before.as_ref().is_some_and(|b| b.epoch == cursor.epoch);
        let reason = match before {
            Some(_) if !is_of_epoch => ResetReason::Epoch,
            _ => ResetReason::Lagged,
        };
        let mut told = 0;
        for session in state.sessions.values() {
            let mut has_missed = false;
            for subscription in session.subscriptions.values() {
                if !is_of_epoch || subscription.begins() < cursor.position {
                    subscription.go_on_after(cursor.position);
                    has_missed = true;
                }
            }
            if has_missed {
                session.outbox.reset(reason);
                told += 1;
            }
        }
        told
    }

    /// Closes a session.
    pub(crate) fn close_session(&self, session: SessionId, code: CloseCode) {
        if let Some(entry) = self.state().sessions.get(&session) {
            entry.outbox.close(code);
        }
    }

    /// Closes every session, now and from now on.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut state = self.state();
        state.closed.get_or_insert(code);
        for session in state.sessions.values() {
            session.outbox.close(code);
        }
    }
}

impl SessionEntry {
    fn with_id<'s>(&'s self, id: &'s Id) -> impl Iterator<Item = &'s Arc<Subscription>> {
        let subscriptions = self.subscriptions.values();
        subscriptions.filter(move |subscription| subscription.ids().contains(id))
    }
}

impl State {
    /// Returns whether a cursor is of the log's life that the dispatcher is in, as far as that is known.
    fn is_of_epoch(&self, cursor: &Cursor) -> bool {
        let dispatched = self.dispatched.as_ref();
        dispatched.is_none_or(|dispatched| dispatched.epoch == cursor.epoch)
    }

    /// Ends a subscription, and returns it to be dropped after the lock: with its span ends what the
    /// application's own code may watch.
    fn end(
        &mut self,
        session: SessionId,
        group: &GroupKey,
        last: impl FnOnce(&[Id]) -> Vec<Frame>,
        metrics: &Metrics,
    ) -> Option<Arc<Subscription>> {
        let entry = self.sessions.get_mut(&session)?;
        let subscription = entry.subscriptions.remove(group)?;
        let count = subscription.count();
        entry.count -= count;
        metrics.subscriptions.decrement(count as f64);
        let last = last(&subscription.ids());
        entry.outbox.end(&subscription.standing, last);
        self.remove(group, session);
        Some(subscription)
    }

    fn remove(&mut self, group: &GroupKey, id: SessionId) {
        if let Entry::Occupied(mut subscribers) = self.groups.entry(group.clone()) {
            subscribers.get_mut().remove(&id);
            if subscribers.get().is_empty() {
                subscribers.remove();
            }
            if self.groups.is_empty() {
                self.subscribed.send_replace(false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
