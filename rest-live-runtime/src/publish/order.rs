//! In which order writes of one row are told.
//!
//! The database knows the order in which writes took effect, and does not say it. What can be known here:
//! a write that was over before another began came first. So each write has an [`Interval`], from
//! before it could take effect to the end of its append; and a write may be told as it is if nothing of
//! its row was told within its interval, for all that was told before is older then. If something was, nobody
//! knows which of the two is newer: the row is *settled*, which means read again and told as it is.
//!
//! While a row is being settled nothing else of it is told; what comes meanwhile joins. So what is told
//! was read after all that was told before it, and no subscriber sees a row go back in time.
//!
//! Plain data behind a lock: who reads rows and appends events is [`crate::publish::publisher`].

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use crate::data::{
    cursor::Cursor,
    event::{Event, EventKind, Row},
    key::KeyValue,
};

/// A row of a model, by its label.
pub(crate) type RowId = (Arc<str>, KeyValue);

/// The intervals of the writes that are under way, and what was told within them.
#[derive(Debug)]
pub(crate) struct Order {
    state: Mutex<State>,
    most_rows: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Counts what begins and what is told.
    now: u64,
    /// When the intervals began that have not ended.
    open: BTreeSet<u64>,
    /// Rows of which something was told since the oldest of these began, or is being told.
    rows: HashMap<RowId, RowState>,
    /// So many rows were left when those that matter to nobody were last swept out.
    kept: usize,
    /// Up to then it was forgotten what was told of rows that are not among `rows`.
    horizon: u64,
    /// When the subscribers of a model were last told to fetch again. What they have fetched is newer than what began
    /// before.
    resets: HashMap<Arc<str>, u64>,
    /// Up to where the log has been read.
    read: Option<Cursor>,
}

/// What was told of a row.
#[derive(Debug)]
struct RowState {
    stage: Stage,
    /// What subscribers may hold of it, oldest first: the rows before and after each write that was told since the oldest
    /// began that is under way, and those of what waits to be settled. `None` when they were too many.
    named: Option<Vec<Row>>,
}

#[derive(Debug)]
enum Stage {
    /// Something is being appended. What is to be settled has come meanwhile: it waits for that, since
    /// what is read then would overtake it on the way to the log.
    Appending { unsettled: bool },
    /// Something was appended then.
    Published(u64),
    /// It is being settled. Writes have come to be told since the row was last read.
    Settling { more: bool },
}

/// From before a write could take effect until it is told.
#[derive(Debug)]
pub(crate) struct Interval {
    order: Arc<Order>,
    began: u64,
    /// Up to where the log had been read.
    read: Option<Cursor>,
}

/// An event that is told as it is.
#[derive(Debug)]
pub(crate) struct OrderedEvent {
    pub(crate) event: Event,
    /// Up to where the log had been read before the write began, if that matters.
    pub(crate) read: Option<Cursor>,
}

/// What may be told as it is, and what is to be settled.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    pub(crate) events: Vec<OrderedEvent>,
    /// The rows of these events, for [`Order::told`].
    pub(crate) rows: Vec<RowId>,
    /// The models among these events that are reset, for the same.
    pub(crate) resets: Vec<Arc<str>>,
    /// Rows that nobody settles yet.
    pub(crate) unsettled: Vec<RowId>,
}

/// What to do about a row that is being settled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More writes came while it was read.
    Again,
    Done,
}

impl Order {
    /// More rows are forgotten while a write is under way: what it writes is told by a reset then.
    pub(crate) const MOST_ROWS: usize = 65_536;

    /// So many states of one row are kept for overlapping writes; more are told by a reset.
    const MOST_NAMED: usize = 256;

    pub(crate) fn new(most_rows: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            most_rows,
        })
    }

    /// Takes note of up to where the log has been read: what other nodes may know of writes that begin from now on.
    pub(crate) fn read_up_to(&self, cursor: Cursor) {
        self.state().read = Some(cursor);
    }

    /// Returns up to where the log has been read.
    pub(crate) fn read(&self) -> Option<Cursor> {
        self.state().read.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Begins the interval of a write.
    pub(crate) fn begin(self: &Arc<Self>) -> Interval {
        let mut state = self.state();
        state.now += 1;
        let began = state.now;
        state.open.insert(began);
        Interval {
            order: Arc::clone(self),
            began,
            read: state.read.clone(),
        }
    }

    /// Decides what of a committed unit may be told. Its events are marked as being told until
    /// [`told`](Self::told).
    pub(crate) fn admit(&self, events: Vec<(Event, Option<Arc<Interval>>)>) -> Admission {
        let mut admitted = Admission::default();
        let mut state = self.state();
        // Rows of this very unit: all that it did to one stays together.
        let mut own: HashMap<RowId, Verdict> = HashMap::new();
        let is_alone = events.len() == 1;
        let mut ended = Vec::with_capacity(events.len());
        for (event, interval) in events {
            let began = interval.as_ref().map_or(u64::MAX, |i| i.began);
            let read = interval.as_ref().and_then(|i| i.read.clone());
            ended.extend(interval);
            let EventKind::Row(change) = &event.kind else {
                admitted.reset(event);
                continue;
            };
            let id = (Arc::clone(&event.model), change.key.clone());
            let named = change.old.iter().chain(&change.new).cloned();
            let verdict = match own.get(&id) {
                Some(first) => state.follow(&id, *first, named),
                None => {
                    let verdict = state.decide(&id, began, named);
                    if !is_alone {
                        own.insert(id.clone(), verdict);
                    }
                    verdict
                }
            };
            match verdict {
                Verdict::Publish => {
                    admitted.events.push(OrderedEvent { event, read });
                    admitted.rows.push(id);
                }
                Verdict::Unsettled => admitted.unsettled.push(id),
                Verdict::Joined => {}
                Verdict::Forgotten => admitted.reset(Event::reset(event.model)),
            }
        }
        for model in &admitted.resets {
            // What this unit tells of its own rows comes before its resets.
            state.reset(model, |id| own.contains_key(id));
        }
        drop(state);
        // They take the lock themselves.
        drop(ended);
        admitted
    }

    /// Has a row be settled that may have been written, if nobody does yet. Returns whether the caller is to.
    pub(crate) fn unsettle(&self, row: &RowId, named: impl IntoIterator<Item = Row>) -> bool {
        let mut state = self.state();
        let told = state.rows.entry(row.clone()).or_insert_with(|| RowState {
            stage: Stage::Published(0),
            named: Some(Vec::new()),
        });
        told.name(named.into_iter());
        told.unsettle() == Verdict::Unsettled
    }

    /// Takes note that the events of these rows, and the resets of these models, are in the log. Returns the rows
    /// that are to be settled now.
    pub(crate) fn told(&self, rows: Vec<RowId>, resets: &[Arc<str>]) -> Vec<RowId> {
        let mut state = self.state();
        state.now += 1;
        let now = state.now;
        let mut unsettled = Vec::new();
        for row in rows {
            let Some(told) = state.rows.get_mut(&row) else {
                continue;
            };
            match told.stage {
                Stage::Appending { unsettled: true } => {
                    told.stage = Stage::Settling { more: true };
                    unsettled.push(row);
                }
                Stage::Appending { unsettled: false } => told.stage = Stage::Published(now),
                // Of this unit, and told above.
                Stage::Published(_) | Stage::Settling { .. } => {}
            }
        }
        for model in resets {
            // Until now a client could fetch because of it.
            state.reset(model, |_| false);
        }
        state.sweep(self.most_rows);
        unsettled
    }

    /// Takes note that the subscribers of a model fetch again, because of one of its rows.
    pub(crate) fn reset(&self, because_of: &RowId) {
        let (model, _) = because_of;
        self.state().reset(model, |id| id == because_of);
    }

    /// Begins to settle a row, or goes on: returns what subscribers may hold of it, `None` when that is not
    /// known any more. The row is to be read after this.
    pub(crate) fn settling(&self, row: &RowId) -> Option<Vec<Row>> {
        let mut state = self.state();
        let told = state.rows.get_mut(row)?;
        told.stage = Stage::Settling { more: false };
        told.named.replace(Vec::new())
    }

    /// Takes note that a settled row is in the log as it was found.
    pub(crate) fn settled(&self, row: &RowId, found: Option<Row>) -> Next {
        let mut state = self.state();
        state.now += 1;
        let now = state.now;
        let Some(told) = state.rows.get_mut(row) else {
            return Next::Done;
        };
        // Before what has come since: it is older than the next reading in any case.
        if let (Some(named), Some(found)) = (&mut told.named, found) {
            named.insert(0, found);
        }
        if let Stage::Settling { more: true } = told.stage {
            return Next::Again;
        }
        told.stage = Stage::Published(now);
        state.sweep(self.most_rows);
        Next::Done
    }
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Publish,
    /// It is to be settled, which nobody does yet.
    Unsettled,
    /// It is being settled, or will be.
    Joined,
    /// What else was told of its row is not known any more.
    Forgotten,
}

impl Admission {
    fn reset(&mut self, event: Event) {
        // Once is enough.
        if !self.resets.contains(&event.model) {
            self.resets.push(Arc::clone(&event.model));
            self.events.push(OrderedEvent { event, read: None });
        }
    }
}

impl State {
    /// Takes note that the subscribers of a model fetch again.
    fn reset(&mut self, model: &Arc<str>, is_own: impl Fn(&RowId) -> bool) {
        self.now += 1;
        self.resets.insert(Arc::clone(model), self.now);
        let rows = self.rows.iter_mut();
        let rows = rows.filter(|(id, _)| id.0 == *model && !is_own(id));
        for (_, told) in rows {
            // What is on its way to the log, or was read, may be older than what is fetched.
            if !matches!(told.stage, Stage::Published(_)) {
                told.unsettle();
            }
        }
    }

    fn decide(&mut self, id: &RowId, began: u64, named: impl Iterator<Item = Row>) -> Verdict {
        let reset = self.resets.get(&id.0).copied().unwrap_or_default();
        match self.rows.entry(id.clone()) {
            Entry::Vacant(place) if began < reset => {
                place.insert(RowState {
                    stage: Stage::Settling { more: true },
                    named: Some(named.collect()),
                });
                Verdict::Unsettled
            }
            Entry::Vacant(_) if began < self.horizon => Verdict::Forgotten,
            Entry::Vacant(place) => {
                place.insert(RowState {
                    stage: Stage::Appending { unsettled: false },
                    named: Some(named.collect()),
                });
                Verdict::Publish
            }
            Entry::Occupied(mut present) => {
                let told = present.get_mut();
                if let Stage::Published(at) = told.stage
                    && at.max(reset) < began
                {
                    told.stage = Stage::Appending { unsettled: false };
                    // In order: nobody holds more of the row than this tells, unless a write is under way
                    // that began before: where the row was which it moves, it may have read too early.
                    if self.open.first().is_none_or(|oldest| *oldest > at) {
                        told.named = Some(Vec::new());
                    }
                    told.name(named);
                    return Verdict::Publish;
                }
                told.name(named);
                told.unsettle()
            }
        }
    }

    /// Has a further event of a unit share the fate of its first one of the row.
    fn follow(&mut self, id: &RowId, first: Verdict, named: impl Iterator<Item = Row>) -> Verdict {
        let told = self.rows.get_mut(id);
        match (first, told) {
            (Verdict::Publish, Some(told)) => {
                told.name(named);
                Verdict::Publish
            }
            (Verdict::Unsettled | Verdict::Joined, Some(told)) => {
                told.name(named);
                Verdict::Joined
            }
            (_, None) | (Verdict::Forgotten, _) => Verdict::Forgotten,
        }
    }

    /// Forgets what matters to no interval that is still open: now and then, for it looks at all rows.
    fn sweep(&mut self, most: usize) {
        let oldest = self.open.first().copied();
        if oldest.is_some() && self.rows.len() < 2 * self.kept + 64 {
            return;
        }
        self.keep(oldest.unwrap_or(u64::MAX));
        if self.rows.len() > most {
            // A write that does not end, such as that of a transaction which somebody forgot.
            self.horizon = self.now;
            self.keep(u64::MAX);
        }
        self.kept = self.rows.len();
    }

    fn keep(&mut self, oldest: u64) {
        self.rows.retain(|_, told| match told.stage {
            Stage::Published(at) => at > oldest,
            Stage::Appending { .. } | Stage::Settling { .. } => true,
        });
    }
}

impl RowState {
    /// Has it be settled. Returns whether the caller is to.
    fn unsettle(&mut self) -> Verdict {
        match &mut self.stage {
            Stage::Published(_) => {
                self.stage = Stage::Settling { more: true };
                Verdict::Unsettled
            }
            Stage::Appending { unsettled } => {
                *unsettled = true;
                Verdict::Joined
            }
            Stage::Settling { more } => {
                *more = true;
                Verdict::Joined
            }
        }
    }

    fn name(&mut self, rows: impl Iterator<Item = Row>) {
        if let Some(named) = &mut self.named {
            for row in rows {
                if !named.iter().any(|known| known.ptr_eq(&row)) {
                    named.push(row);
                }
            }
            if named.len() > Order::MOST_NAMED {
                self.named = None;
            }
        }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        let mut state = self.order.state();
        state.open.remove(&self.began);
        if state.open.is_empty() {
            state.sweep(self.order.most_rows);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
