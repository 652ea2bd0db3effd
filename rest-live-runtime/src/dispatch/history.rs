//! The last events of the log, by group: a client that resumes receives from it what it missed,
//! without a search through the events of other groups.
//!
//! Each node has one history. The dispatcher appends a batch of events before it publishes them.
//! Older events are in the log; [`History::load_after`] reads them once for all clients.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    change::affected_groups,
    units::{PositionedEvent, arrange},
};
use crate::{
    data::{
        cursor::Cursor,
        event::{Event, EventKind},
        group_id::GroupId,
        scoped_model::ScopedModel,
    },
    log::{EventLog, ReadError},
    model::registry::Registry,
    user_code,
};

/// What an event takes in each of its groups: two ids, and an entry of the group's list.
const GROUP_BYTES: usize = 2 * size_of::<GroupId>() + size_of::<GroupEvent>();

/// The last events of a log.
#[derive(Debug)]
pub(crate) struct History {
    registry: Arc<Registry>,
    capacity: usize,
    /// Maximum size of the events that are kept. The newest one is always kept.
    max_bytes: usize,
    state: Mutex<State>,
    /// Held by the task that reads older events from the log.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Every event after this cursor is here; `None` before the log has begun.
    start: Option<Cursor>,
    /// By ascending positions.
    events: VecDeque<KeptEvent>,
    /// The size of the events.
    bytes: usize,
    groups: HashMap<GroupId, GroupHistory>,
    /// The last reset of each model.
    resets: HashMap<ScopedModel, ModelReset>,
    /// Events after this position and earlier ones cannot be loaded: the log no longer has them, or
    /// they are more than the capacity.
    expired: Option<u64>,
    /// Number of the last batch.
    batch_id: u64,
    /// Number of the batch with which the history started.
    first_batch_id: u64,
}

/// The events of one group.
#[derive(Debug, Default)]
struct GroupHistory {
    /// By ascending positions.
    events: VecDeque<GroupEvent>,
    /// Number of the last batch that had an event of the group.
    last_batch_id: u64,
}

/// An event, as its groups know it.
#[derive(Clone, Debug)]
pub(crate) struct GroupEvent {
    pub(crate) position: u64,
    /// Number of the batch in which it came; 0 if it was loaded from the log.
    pub(crate) batch_id: u64,
    pub(crate) event: Arc<Event>,
}

/// An event, as the whole history knows it.
#[derive(Debug)]
struct KeptEvent {
    position: u64,
    bytes: usize,
    groups: Box<[GroupId]>,
}

/// A change of unknown rows of a model.
#[derive(Debug, Default)]
struct ModelReset {
    position: u64,
    batch_id: u64,
}

/// The events of a group after a cursor.
#[derive(Debug)]
pub(crate) enum MissedEvents {
    Found(Vec<GroupEvent>),
    /// Unknown rows changed.
    Unknown,
    /// There are more than the client receives.
    TooMany,
    /// Older events are needed than the history has.
    NotLoaded,
}

impl History {
    /// Default number of events that are kept.
    pub(crate) const CAPACITY: usize = 16_384;

    /// Number of events that are read from the log with one call.
    const PAGE_SIZE: usize = 1000;

    /// The same for the first call, when it is not known how large the events are.
    const FIRST_PAGE_SIZE: usize = 100;

    pub(crate) fn new(registry: Arc<Registry>, capacity: usize, max_bytes: usize) -> Self {
        Self {
            registry,
            capacity,
            max_bytes,
            state: Mutex::default(),
            loading: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Forgets all events, and starts after a cursor. Returns the number of this batch.
    pub(crate) fn restart(&self, start: Cursor) -> u64 {
        let mut state = self.state();
        let batch_id = state.batch_id + 1;
        let restarted = State {
            start: Some(start),
            batch_id,
            first_batch_id: batch_id,
            ..State::default()
        };
        let forgotten = mem::replace(&mut *state, restarted);
        // After the lock: rows belong to the application.
        drop(state);
        drop(forgotten);
        batch_id
    }

    /// Appends a batch of events, and returns its number. Positions ascend, except that a long
    /// transaction may bring earlier ones.
    pub(crate) fn append(&self, events: impl IntoIterator<Item = (u64, Arc<Event>)>) -> u64 {
        let events: Vec<_> = events
            .into_iter()
            .map(|(position, event)| (self.groups_of(&event), position, event))
            .collect();
        let mut evicted = Vec::new();
        let mut state = self.state();
        state.batch_id += 1;
        let batch_id = state.batch_id;
        for (groups, position, event) in events {
            let event = GroupEvent {
                position,
                batch_id,
                event,
            };
            state.insert(groups, &event);
            while state.events.len() > self.capacity || self.is_too_large(&state) {
                evicted.extend(state.evict());
            }
        }
        drop(state);
        drop(evicted);
        batch_id
    }

    /// Returns whether the events take too many bytes.
    fn is_too_large(&self, state: &State) -> bool {
        state.bytes > self.max_bytes && state.events.len() > 1
    }

    /// Returns the groups that an event affects; `None` if its rows are unknown.
    fn groups_of(&self, event: &Event) -> Option<Box<[GroupId]>> {
        match &event.kind {
            EventKind::Reset => None,
            EventKind::Row(change) => {
                let Some(model) = self.registry.model_by_label(&event.model) else {
                    return Some(Box::default());
                };
                // Reading a column runs application code.
                let scope = event.scope.as_ref();
                let groups = user_code::call(|| affected_groups(model, scope, change));
                groups.ok()?.ok()
            }
        }
    }

    /// Returns the events of a group after `since`, up to a batch, if there are at most `limit`.
    pub(crate) fn missed(
        &self,
        model: &Arc<str>,
        group: &GroupId,
        since: &Cursor,
        batch_id: u64,
        limit: usize,
    ) -> MissedEvents {
        let state = self.state();
        if !state.reaches(since) {
            return MissedEvents::NotLoaded;
        }
        let reset = state.resets.get(&group.scoped_model(model));
        if reset.is_some_and(|reset| reset.position > since.position) {
            return MissedEvents::Unknown;
        }
        let Some(GroupHistory { events, .. }) = state.groups.get(group) else {
            return MissedEvents::Found(Vec::new());
        };
        let first = events.partition_point(|event| event.position <= since.position);
        if events.len() - first > limit {
            return MissedEvents::TooMany;
        }
        let missed = events.range(first..);
        let missed = missed.filter(|event| event.batch_id <= batch_id);
        MissedEvents::Found(missed.cloned().collect())
    }

    /// Returns whether no event of a group after `since` came in a batch after `seen`, up to `now`.
    pub(crate) fn is_unchanged(
        &self,
        model: &Arc<str>,
        group: &GroupId,
        since: &Cursor,
        (seen, now): (u64, u64),
    ) -> bool {
        let is_between = |batch_id: u64| seen < batch_id && batch_id <= now;
        let state = self.state();
        let reset = state.resets.get(&group.scoped_model(model));
        if !state.reaches(since)
            || is_between(state.first_batch_id)
            || reset.is_some_and(|reset| reset.batch_id > seen)
        {
            return false;
        }
        match state.groups.get(group) {
            Some(GroupHistory {
                events,
                last_batch_id,
            }) if *last_batch_id > seen => {
                // The subscription receives events of later batches as they come.
                !is_between(*last_batch_id)
                    && !events.iter().any(|event| is_between(event.batch_id))
            }
            _ => true,
        }
    }

    /// Ensures that every event after `since` is here. Missing ones are read from the log, once for
    /// all callers.
    ///
    /// # Errors
    /// Why the events are not available.
    pub(crate) async fn load_after(
        &self,
        log: &dyn EventLog,
        since: &Cursor,
    ) -> Result<(), ReadError> {
        // A caller whose events cannot be loaded does not wait for the other callers.
        self.missing_up_to(since)?;
        let _loading = self.loading.lock().await;
        let loaded = self.load(log, since).await;
        if let Err(ReadError::Expired) = loaded {
            let mut state = self.state();
            state.expired = state.expired.max(Some(since.position));
        }
        loaded
    }

    async fn load(&self, log: &dyn EventLog, since: &Cursor) -> Result<(), ReadError> {
        let Some(start) = self.missing_up_to(since)? else {
            return Ok(());
        };
        let mut loaded = Vec::new();
        let mut bytes = 0;
        let mut after = since.clone();
        while after.position < start.position {
            let page = log
                .read(after.clone(), self.page_size(loaded.len(), bytes))
                .await?;
            let Some(last) = page.last() else {
                break;
            };
            after.position = last.position;
            let missing = page.into_iter();
            let missing = missing.filter(|entry| entry.position <= start.position);
            loaded.extend(missing.map(|entry| {
                let (event, _) = entry.event.resolve(&self.registry);
                bytes += event.bytes();
                PositionedEvent::new(&entry, event, since, &self.registry)
            }));
            if loaded.len() > self.capacity || bytes > self.max_bytes {
                return Err(ReadError::Expired);
            }
        }
        let loaded = arrange(loaded, &start, &self.registry).into_iter();
        let loaded = loaded.map(|PositionedEvent { at, event, .. }| {
            let event = GroupEvent {
                position: at.position,
                batch_id: 0,
                event,
            };
            (self.groups_of(&event.event), event)
        });
        let loaded: Vec<_> = loaded.collect();
        let mut state = self.state();
        let is_contiguous = state.start.as_ref() == Some(&start);
        if !is_contiguous
            || state.events.len() + loaded.len() > self.capacity
            || state.bytes + bytes > self.max_bytes
        {
            return Err(ReadError::Expired);
        }
        state.start = Some(since.clone());
        for (groups, event) in loaded.into_iter().rev() {
            state.insert(groups, &event);
        }
        Ok(())
    }

    /// Returns how many events to read next, if those that were read take this number of bytes. A
    /// page of large events must not take more than the history.
    fn page_size(&self, events: usize, bytes: usize) -> usize {
        match bytes.checked_div(events) {
            None => Self::FIRST_PAGE_SIZE,
            Some(each) => {
                let room = self.max_bytes.saturating_sub(bytes) / each.max(1);
                room.clamp(1, Self::PAGE_SIZE)
            }
        }
    }

    /// Returns up to where events after `since` are missing; `None` if all are here.
    fn missing_up_to(&self, since: &Cursor) -> Result<Option<Cursor>, ReadError> {
        let state = self.state();
        let Some(start) = &state.start else {
            return Err(ReadError::Expired);
        };
        if start.epoch != since.epoch {
            return Err(ReadError::Epoch);
        }
        if state.reaches(since) {
            return Ok(None);
        }
        let is_expired = state
            .expired
            .is_some_and(|expired| since.position <= expired);
        if is_expired || state.events.len() >= self.capacity || state.bytes >= self.max_bytes {
            return Err(ReadError::Expired);
        }
        Ok(Some(start.clone()))
    }
}

impl State {
    /// Returns whether every event after a cursor is here.
    fn reaches(&self, since: &Cursor) -> bool {
        self.start
            .as_ref()
            .is_some_and(|start| start.epoch == since.epoch && start.position <= since.position)
    }

    /// Inserts an event by its position. An event from before the start is dropped.
    fn insert(&mut self, groups: Option<Box<[GroupId]>>, event: &GroupEvent) {
        let &GroupEvent {
            position, batch_id, ..
        } = event;
        let is_after = |start: &Cursor| position > start.position;
        if !self.start.as_ref().is_some_and(is_after) {
            return;
        }
        let groups = groups.unwrap_or_else(|| {
            let model = event.event.scoped_model();
            let reset = self.resets.entry(model).or_default();
            reset.position = position.max(reset.position);
            reset.batch_id = batch_id.max(reset.batch_id);
            Box::default()
        });
        for group in &groups {
            // Most groups are known already: only a new one clones its id.
            let history = match self.groups.get_mut(group) {
                Some(history) => history,
                None => self.groups.entry(group.clone()).or_default(),
            };
            history.last_batch_id = batch_id.max(history.last_batch_id);
            let events = &mut history.events;
            let index = insertion_index(events, position, |event| event.position);
            events.insert(index, event.clone());
        }
        let index = insertion_index(&self.events, position, |event| event.position);
        let bytes = event.event.bytes() + groups.len() * GROUP_BYTES;
        self.bytes += bytes;
        let kept = KeptEvent {
            position,
            bytes,
            groups,
        };
        self.events.insert(index, kept);
    }

    /// Removes the oldest event, and returns what the caller drops after the lock.
    fn evict(&mut self) -> Vec<GroupEvent> {
        let Some(KeptEvent {
            position,
            bytes,
            groups,
        }) = self.events.pop_front()
        else {
            return Vec::new();
        };
        self.bytes -= bytes;
        if let Some(start) = &mut self.start {
            start.position = start.position.max(position);
        }
        let mut evicted = Vec::new();
        for group in groups {
            if let Some(GroupHistory { events, .. }) = self.groups.get_mut(&group) {
                evicted.extend(events.pop_front());
                if events.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
        evicted
    }
}

/// Returns where a position belongs. It is nearly always at one of the ends.
fn insertion_index<T>(
    events: &VecDeque<T>,
    position: u64,
    position_of: impl Fn(&T) -> u64,
) -> usize {
    match (events.front(), events.back()) {
        (_, Some(last)) if position_of(last) < position => events.len(),
        (Some(first), _) if position_of(first) > position => 0,
        _ => events.partition_point(|event| position_of(event) < position),
    }
}

#[cfg(test)]
mod tests;
