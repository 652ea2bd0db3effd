//! What happened lately, by group: from it a client that comes back is told what it missed, without a look at the rest.
//!
//! A ring of a node: the dispatcher keeps in it what it hands out, before it does. What is older is in the log; who needs it
//! has it read once for all ([`reach`](History::reach)).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use super::change::groups_of;
use crate::{
    data::{
        cursor::Cursor,
        event::{Event, EventKind},
        group_id::GroupId,
    },
    log::{EventLog, ReadError},
    model::registry::Registry,
    user_code,
};

/// An event of a group.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) position: u64,
    /// Number of the batch that it came in, 0 if it was read later.
    pub(crate) turn: u64,
    pub(crate) event: Arc<Event>,
}

/// The last events of a log.
#[derive(Debug)]
pub(crate) struct History {
    registry: Arc<Registry>,
    capacity: usize,
    state: Mutex<State>,
    /// Whose turn it is to read what is older.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// All behind this place is here; none before the log has begun.
    start: Option<Cursor>,
    /// By ascending positions.
    events: VecDeque<Kept>,
    groups: HashMap<GroupId, OfGroup>,
    /// Where rows of a model last changed that are not known, and the number of the batch.
    resets: HashMap<Arc<str>, (u64, u64)>,
    /// The log does not reach back to here, or not within what is kept.
    expired: Option<u64>,
    /// Number of the last batch, and of the one with which it began.
    turn: u64,
    begun: u64,
}

#[derive(Debug, Default)]
struct OfGroup {
    /// By ascending positions.
    events: VecDeque<Placed>,
    /// Number of the last batch that had any.
    last_turn: u64,
}

#[derive(Debug)]
struct Kept {
    position: u64,
    groups: Box<[GroupId]>,
}

/// What happened to a group behind a place.
#[derive(Debug)]
pub(crate) enum Missed {
    Events(Vec<Placed>),
    /// Rows changed that are not known.
    Unknown,
    /// More than anybody is told.
    TooMuch,
    /// It is not here.
    Older,
}

impl History {
    /// So many events are kept.
    pub(crate) const CAPACITY: usize = 16_384;

    /// So many are read from the log at once.
    const PAGE: usize = 1000;

    pub(crate) fn new(registry: Arc<Registry>, capacity: usize) -> Self {
        Self {
            registry,
            capacity,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Forgets all, and begins anew behind a place. Returns the number of this batch.
    pub(crate) fn begin(&self, start: Cursor) -> u64 {
        let mut state = self.state();
        let anew = State {
            start: Some(start),
            turn: state.turn + 1,
            begun: state.turn + 1,
            ..State::default()
        };
        let turn = anew.turn;
        let before = std::mem::replace(&mut *state, anew);
        drop(state);
        // Rows are the application's.
        drop(before);
        turn
    }

    /// Keeps a batch of events, which come by ascending positions, but for those of transactions that took longer than
    /// others. Returns the number of the batch.
    pub(crate) fn keep(&self, events: impl IntoIterator<Item = (u64, Arc<Event>)>) -> u64 {
        let kept: Vec<_> = events
            .into_iter()
            .map(|(position, event)| (self.groups_of(&event), position, event))
            .collect();
        let mut evicted = Vec::new();
        let mut state = self.state();
        state.turn += 1;
        let turn = state.turn;
        for (groups, position, event) in kept {
            let placed = Placed {
                position,
                turn,
                event,
            };
            state.insert(groups, &placed);
            while state.events.len() > self.capacity {
                evicted.extend(state.evict());
            }
        }
        drop(state);
        drop(evicted);
        turn
    }

    /// Returns the groups that an event concerns; `None` where its rows are not known.
    fn groups_of(&self, event: &Event) -> Option<Box<[GroupId]>> {
        match &event.kind {
            EventKind::Reset => None,
            EventKind::Row(change) => {
                let Some(model) = self.registry.model_by_label(&event.model) else {
                    return Some(Box::default());
                };
                // To read a column is the application's code.
                user_code::call(|| groups_of(model, change)).ok()
            }
        }
    }

    /// Returns what happened to a group of a model behind a place, up to a batch, if that is at most so much.
    pub(crate) fn missed(
        &self,
        model: &str,
        group: &GroupId,
        since: &Cursor,
        turn: u64,
        most: usize,
    ) -> Missed {
        let state = self.state();
        if !state.reaches(since) {
            return Missed::Older;
        }
        let reset = state.resets.get(model);
        if reset.is_some_and(|(at, _)| *at > since.position) {
            return Missed::Unknown;
        }
        let Some(OfGroup { events, .. }) = state.groups.get(group) else {
            return Missed::Events(Vec::new());
        };
        let first = events.partition_point(|placed| placed.position <= since.position);
        if events.len() - first > most {
            return Missed::TooMuch;
        }
        let missed = events.range(first..);
        let missed = missed.filter(|placed| placed.turn <= turn);
        Missed::Events(missed.cloned().collect())
    }

    /// Returns whether nothing happened to a group of a model between two batches, behind a place: not in the earlier one.
    pub(crate) fn is_quiet(
        &self,
        model: &str,
        group: &GroupId,
        since: &Cursor,
        (told, now): (u64, u64),
    ) -> bool {
        let is_between = |turn: u64| told < turn && turn <= now;
        let state = self.state();
        let reset = state.resets.get(model);
        if !state.reaches(since)
            || is_between(state.begun)
            || reset.is_some_and(|(_, turn)| *turn > told)
        {
            return false;
        }
        match state.groups.get(group) {
            Some(OfGroup { events, last_turn }) if *last_turn > told => {
                // What came behind `now` is told as it happens.
                !is_between(*last_turn) && !events.iter().any(|placed| is_between(placed.turn))
            }
            _ => true,
        }
    }

    /// Has all be here that happened behind a place: where it is not, it is read from the log, once for all who ask.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(crate) async fn reach(&self, log: &dyn EventLog, since: &Cursor) -> Result<(), ReadError> {
        // Who can have nothing does not wait for its turn.
        self.older(since)?;
        let _turn = self.reading.lock().await;
        let reached = self.read(log, since).await;
        if let Err(ReadError::Expired) = reached {
            let mut state = self.state();
            state.expired = state.expired.max(Some(since.position));
        }
        reached
    }

    async fn read(&self, log: &dyn EventLog, since: &Cursor) -> Result<(), ReadError> {
        let Some(start) = self.older(since)? else {
            return Ok(());
        };
        let mut read = Vec::new();
        let mut after = since.clone();
        while after.position < start.position {
            let page = log.read(after.clone(), Self::PAGE).await?;
            let Some(last) = page.last() else {
                break;
            };
            after.position = last.position;
            let missing = page.into_iter();
            let missing = missing.filter(|entry| entry.position <= start.position);
            read.extend(missing.map(|entry| {
                let (event, _) = entry.event.resolve(&self.registry);
                let groups = self.groups_of(&event);
                let placed = Placed {
                    position: entry.position,
                    turn: 0,
                    event,
                };
                (groups, placed)
            }));
            if read.len() > self.capacity {
                return Err(ReadError::Expired);
            }
        }
        let mut state = self.state();
        let is_contiguous = state.start.as_ref() == Some(&start);
        if !is_contiguous || state.events.len() + read.len() > self.capacity {
            return Err(ReadError::Expired);
        }
        state.start = Some(since.clone());
        for (groups, placed) in read.into_iter().rev() {
            state.insert(groups, &placed);
        }
        Ok(())
    }

    /// Returns from where on it is here, where that is behind a place.
    fn older(&self, since: &Cursor) -> Result<Option<Cursor>, ReadError> {
        let state = self.state();
        let Some(start) = &state.start else {
            return Err(ReadError::Expired);
        };
        if start.epoch != since.epoch {
            return Err(ReadError::Epoch);
        }
        let is_expired = state
            .expired
            .is_some_and(|expired| since.position <= expired);
        if !state.reaches(since) && (is_expired || state.events.len() >= self.capacity) {
            return Err(ReadError::Expired);
        }
        Ok((!state.reaches(since)).then(|| start.clone()))
    }
}

impl State {
    fn reaches(&self, since: &Cursor) -> bool {
        self.start
            .as_ref()
            .is_some_and(|start| start.epoch == since.epoch && start.position <= since.position)
    }

    fn insert(&mut self, groups: Option<Box<[GroupId]>>, placed: &Placed) {
        let &Placed { position, turn, .. } = placed;
        let is_behind = |start: &Cursor| position > start.position;
        if !self.start.as_ref().is_some_and(is_behind) {
            return;
        }
        let groups = groups.unwrap_or_else(|| {
            let model = Arc::clone(&placed.event.model);
            let (at, of) = self.resets.entry(model).or_default();
            (*at, *of) = (position.max(*at), turn.max(*of));
            Box::default()
        });
        for group in &groups {
            let of_group = match self.groups.get_mut(group) {
                Some(of_group) => of_group,
                None => self.groups.entry(group.clone()).or_default(),
            };
            of_group.last_turn = turn.max(of_group.last_turn);
            let events = &mut of_group.events;
            let place = place(events, position, |placed| placed.position);
            events.insert(place, placed.clone());
        }
        let place = place(&self.events, position, |kept| kept.position);
        self.events.insert(place, Kept { position, groups });
    }

    /// Takes out the oldest event, and returns what is to be dropped behind the lock.
    fn evict(&mut self) -> Vec<Placed> {
        let Some(Kept { position, groups }) = self.events.pop_front() else {
            return Vec::new();
        };
        if let Some(start) = &mut self.start {
            start.position = start.position.max(position);
        }
        let mut evicted = Vec::new();
        for group in groups {
            if let Some(OfGroup { events, .. }) = self.groups.get_mut(&group) {
                evicted.extend(events.pop_front());
                if events.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
        evicted
    }
}

/// Returns where a position belongs: at one of the ends, but seldom.
fn place<T>(events: &VecDeque<T>, position: u64, of: impl Fn(&T) -> u64) -> usize {
    match (events.front(), events.back()) {
        (_, Some(last)) if of(last) < position => events.len(),
        (Some(first), _) if of(first) > position => 0,
        _ => events.partition_point(|event| of(event) < position),
    }
}

#[cfg(test)]
mod tests;
