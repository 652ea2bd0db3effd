//! The subscriptions of this node, by group.
//!
//! The dispatcher publishes into it, sessions subscribe in it; it waits for neither. All of it is
//! under one lock, which is never held across an await.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{code::CloseCode, group::GroupKey, outbox::Outbox};

/// Number of a session of this node, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<State>);

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
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned state is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Returns the outboxes of those subscribers of a group who are to see what happened at a
    /// position of the log.
    pub(crate) fn subscribers(&self, group: &GroupKey, position: u64) -> Vec<Arc<Outbox>> {
        let state = self.state();
        let Some(subscribers) = state.groups.get(group) else {
            return Vec::new();
        };
        let concerned = subscribers.iter().filter(|(_, after)| position > **after);
        concerned
            .filter_map(|(id, _)| state.sessions.get(id))
            .map(|session| Arc::clone(&session.outbox))
            .collect()
    }

    /// Returns the groups that a session is subscribed to.
    pub(crate) fn groups_of(&self, id: SessionId) -> Vec<GroupKey> {
        self.state()
            .sessions
            .get(&id)
            .map(|session| session.groups.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Tells every subscriber that changes were missed, and goes on behind a position of the log,
    /// which may be another log's by now.
    pub(crate) fn reset(&self, position: u64) {
        let state = &mut *self.state();
        state
            .groups
            .values_mut()
            .flat_map(HashMap::values_mut)
            .for_each(|after| *after = position);
        state
            .sessions
            .values()
            .for_each(|session| session.outbox.reset());
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

/// A session has all the subscriptions that it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{group::GroupIndex, key::KeyValue, limits::Limits};

    fn group(value: i128) -> GroupKey {
        GroupKey {
            index: GroupIndex(0),
            value: KeyValue::Integer(value),
        }
    }

    fn join(hub: &Hub) -> SessionId {
        hub.join(Arc::new(Outbox::new(&Limits::default())))
    }

    #[test]
    fn a_subscription_is_to_what_happens_after_it() {
        let hub = Hub::default();
        let session = join(&hub);
        assert_eq!(hub.subscribe(session, group(1), 7, 10), Ok(()));
        // Not begun anew: it would miss what came since.
        assert_eq!(hub.subscribe(session, group(1), 9, 10), Ok(()));
        for (position, subscribers) in [(6, 0), (7, 0), (8, 1), (9, 1)] {
            assert_eq!(
                hub.subscribers(&group(1), position).len(),
                subscribers,
                "at {position}"
            );
        }
        assert!(hub.subscribers(&group(2), 8).is_empty());
        // A log that begins anew has smaller positions.
        hub.reset(3);
        assert_eq!(hub.subscribers(&group(1), 4).len(), 1);
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let hub = Hub::default();
        let (one, other) = (join(&hub), join(&hub));
        for session in [one, other] {
            hub.subscribe(session, group(1), 0, 10).expect("room");
        }
        hub.subscribe(one, group(2), 0, 10).expect("room");
        hub.unsubscribe(one, &group(3));
        hub.unsubscribe(one, &group(1));
        assert_eq!(hub.subscribers(&group(1), 1).len(), 1);
        hub.leave(one);
        hub.leave(other);
        assert!(hub.state().groups.is_empty() && hub.state().sessions.is_empty());
    }

    #[test]
    fn a_group_counts_once_towards_the_most() {
        let hub = Hub::default();
        let session = join(&hub);
        assert_eq!(hub.subscribe(session, group(1), 0, 1), Ok(()));
        assert_eq!(hub.subscribe(session, group(1), 0, 1), Ok(()));
        assert_eq!(hub.subscribe(session, group(2), 0, 1), Err(TooMany));
    }
}
