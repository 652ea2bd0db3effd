//! The subscriptions of this node, by group.
//!
//! The dispatcher publishes into it, sessions subscribe in it; it waits for neither. All of it is
//! under one lock, which is never held across an await.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    code::CloseCode,
    dialect::plain,
    frame::Frame,
    group::GroupKey,
    outbox::{Lagged, Outbox},
    registry::Registry,
};

/// Number of a session of this node, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

#[derive(Debug)]
pub(crate) struct Hub {
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    sessions: HashMap<SessionId, SessionEntry>,
    /// Groups that have a subscriber. The number is the position in the log at which the
    /// subscription began: what happened before it is not its business.
    groups: HashMap<GroupKey, HashMap<SessionId, u64>>,
    closed: Option<CloseCode>,
}

#[derive(Debug)]
struct SessionEntry {
    outbox: Arc<Outbox>,
    groups: HashSet<GroupKey>,
}

impl Hub {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session. After [`close`](Self::close) it is closed at once.
    pub(crate) fn join(&self, outbox: Arc<Outbox>) -> SessionId {
        let mut state = self.state();
        if let Some(code) = state.closed {
            outbox.close(code);
        }
        let id = SessionId(state.next_id);
        state.next_id += 1;
        state.sessions.insert(
            id,
            SessionEntry {
                outbox,
                groups: HashSet::new(),
            },
        );
        id
    }

    /// Takes a session and its subscriptions out.
    pub(crate) fn leave(&self, id: SessionId) {
        let mut state = self.state();
        let Some(session) = state.sessions.remove(&id) else {
            return;
        };
        for group in &session.groups {
            state.remove(group, id);
        }
    }

    /// Subscribes a session to what happens in a group after a position of the log. Subscribing
    /// again changes nothing.
    ///
    /// # Errors
    /// When the session has `most` subscriptions already.
    pub(crate) fn subscribe(
        &self,
        id: SessionId,
        group: GroupKey,
        after: u64,
        most: usize,
    ) -> Result<(), TooMany> {
        let state = &mut *self.state();
        let Some(session) = state.sessions.get_mut(&id) else {
            return Ok(());
        };
        if session.groups.contains(&group) {
            return Ok(());
        }
        if session.groups.len() >= most {
            return Err(TooMany);
        }
        session.groups.insert(group.clone());
        state.groups.entry(group).or_default().insert(id, after);
        Ok(())
    }

    /// Ends a subscription, if there is one.
    pub(crate) fn unsubscribe(&self, id: SessionId, group: &GroupKey) {
        let mut state = self.state();
        if state
            .sessions
            .get_mut(&id)
            .is_some_and(|session| session.groups.remove(group))
        {
            state.remove(group, id);
        }
    }

    /// Returns whether anybody is to see what happened in a group at a position of the log.
    pub(crate) fn wants(&self, group: &GroupKey, position: u64) -> bool {
        let state = self.state();
        state
            .groups
            .get(group)
            .is_some_and(|subscribers| subscribers.values().any(|after| position > *after))
    }

    /// Gives a frame to those subscribers of a group who are to see what happened at a position of
    /// the log.
    pub(crate) fn publish(&self, group: &GroupKey, position: u64, frame: &Frame) {
        let state = self.state();
        let Some(subscribers) = state.groups.get(group) else {
            return;
        };
        for (id, after) in subscribers {
            let Some(session) = state.sessions.get(id) else {
                continue;
            };
            if position > *after && session.outbox.push(frame.clone()) == Err(Lagged) {
                tracing::debug!(session = id.0, "a client is too slow: it is told to reset");
                session.reset(&self.registry);
            }
        }
    }

    /// Tells every subscriber that changes were missed.
    pub(crate) fn reset(&self) {
        for session in self.state().sessions.values() {
            session.reset(&self.registry);
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

impl State {
    fn remove(&mut self, group: &GroupKey, id: SessionId) {
        if let Entry::Occupied(mut subscribers) = self.groups.entry(group.clone()) {
            subscribers.get_mut().remove(&id);
            if subscribers.get().is_empty() {
                subscribers.remove();
            }
        }
    }
}

impl SessionEntry {
    /// Queues one reset for each model that the session is subscribed to.
    fn reset(&self, registry: &Registry) {
        let labels: HashSet<&str> = self
            .groups
            .iter()
            .filter_map(|group| registry.of_group(group.index))
            .map(|model| &*model.label)
            .collect();
        self.outbox.reset(labels.into_iter().map(plain::reset));
    }
}

/// A session has all the subscriptions that it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;
