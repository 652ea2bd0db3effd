//! What the order knows of each row. [`Order`] calls it under its lock.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    mem,
};

use super::{
    known_rows::{KnownBytes, KnownRows},
    marks::Marks,
};
use crate::data::{cursor::Cursor, event::Row, row_id::RowId, scoped_model::ScopedModel};

#[derive(Debug)]
pub(super) struct State {
    /// Logical time: advances when an interval begins and when something is published.
    now: u64,
    /// When the open intervals began.
    pub(super) open: BTreeSet<u64>,
    /// The rows of which something is being appended or reread, or was published since the oldest
    /// open interval began.
    pub(super) rows: HashMap<RowId, RowState>,
    known_bytes: KnownBytes,
    /// The rows that wait for a reread, and other events that are appended late.
    pub(super) marks: Marks,
    /// Number of rows that the last sweep left.
    rows_after_sweep: usize,
    /// When rows were last forgotten that open intervals may need. If a row is not in `rows`, what
    /// was published of it up to this time is unknown.
    forgotten_at: u64,
    /// When the subscribers of a model last received a reset. What they fetched because of it may
    /// be newer than a write that began before.
    resets: HashMap<ScopedModel, u64>,
    /// Up to where this node has read the log.
    pub(super) read_cursor: Option<Cursor>,
    /// The rows that wait for a reread because of a write that created them: subscribers may lack
    /// them.
    pub(super) unpublished_creations: HashSet<RowId>,
}

/// What was published of a row.
#[derive(Debug)]
pub(super) struct RowState {
    pub(super) phase: Phase,
    pub(super) known_rows: KnownRows,
    /// Since when the row waits for the reread that runs or comes next.
    mark: Option<u64>,
    /// Since when it waits for another one, because the reread that runs may not cover all writes.
    later_mark: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// An event is being appended. A reread that became necessary meanwhile waits for the append:
    /// what it reads would otherwise overtake the event on its way to the log.
    Appending { needs_reread: bool },
    /// The last event was published at this time.
    Published(u64),
    /// The row is being reread. `read_again`: more writes arrived since it was last read.
    Rereading { read_again: bool },
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Publish,
    /// The row must be reread, and the caller must start that.
    Reread,
    /// A reread covers the event that is under way or waits already.
    Join,
    /// What was published of the row is not known any more: its model must be reset.
    Reset,
}

impl State {
    /// Creates a state that knows nothing. `max_bytes` is the maximum size of known rows.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            now: 0,
            open: BTreeSet::new(),
            rows: HashMap::new(),
            known_bytes: KnownBytes::new(max_bytes),
            marks: Marks::default(),
            rows_after_sweep: 0,
            forgotten_at: 0,
            resets: HashMap::new(),
            read_cursor: None,
            unpublished_creations: HashSet::new(),
        }
    }

    /// Advances the time and returns it.
    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Opens an interval, and returns when it began.
    pub(super) fn open_interval(&mut self) -> u64 {
        let began = self.tick();
        self.open.insert(began);
        began
    }

    /// Returns the state of a row, which is created if nothing is known of it.
    fn row_in<'r>(
        rows: &'r mut HashMap<RowId, RowState>,
        known_bytes: &KnownBytes,
        row: &RowId,
    ) -> &'r mut RowState {
        rows.entry(row.clone()).or_insert_with(|| RowState {
            phase: Phase::Published(0),
            known_rows: KnownRows::new(known_bytes),
            mark: None,
            later_mark: None,
        })
    }

    /// Lets everything of a row wait for a reread. Returns whether the caller must start it.
    pub(super) fn mark_for_reread(
        &mut self,
        row: &RowId,
        known_rows: impl Iterator<Item = Row>,
    ) -> bool {
        let row_state = Self::row_in(&mut self.rows, &self.known_bytes, row);
        row_state.known_rows.extend(known_rows);
        row_state.mark_for_reread(&mut self.marks) == Verdict::Reread
    }

    /// Records that a reread is appended. Returns whether more writes arrived during the read.
    pub(super) fn finish_reread(&mut self, row: &RowId, found: Option<Row>) -> bool {
        let now = self.tick();
        let Some(row_state) = self.rows.get_mut(row) else {
            return false;
        };
        // Before the states that arrived meanwhile: in any case this state is older than what the
        // next read finds.
        if let Some(found) = found {
            row_state.known_rows.prepend(found);
        }
        if let Some(mark) = row_state.mark.take() {
            self.marks.close(mark);
        }
        if let Phase::Rereading { read_again: true } = row_state.phase {
            row_state.mark = row_state.later_mark.take();
            return true;
        }
        row_state.phase = Phase::Published(now);
        false
    }

    /// Records that the subscribers of a model receive a reset. Rows for which `is_own` holds are
    /// not affected.
    pub(super) fn record_reset(&mut self, model: &ScopedModel, is_own: impl Fn(&RowId) -> bool) {
        let now = self.tick();
        self.resets.insert(model.clone(), now);
        for (id, row_state) in &mut self.rows {
            // What is being appended, or was read, may be older than what clients fetch.
            let is_published = matches!(row_state.phase, Phase::Published(_));
            if id.model == *model && !is_own(id) && !is_published {
                row_state.mark_for_reread(&mut self.marks);
            }
        }
    }

    /// Decides what to do with an event of a write that began at `began`. `rows` are the row before
    /// and after the write.
    pub(super) fn decide(
        &mut self,
        id: &RowId,
        began: u64,
        rows: impl Iterator<Item = Row>,
    ) -> Verdict {
        let reset_at = self.resets.get(&id.model).copied().unwrap_or_default();
        match self.rows.entry(id.clone()) {
            Entry::Vacant(entry) if began < reset_at => {
                let phase = Phase::Rereading { read_again: true };
                let row_state = entry.insert(RowState::new(phase, rows, &self.known_bytes));
                row_state.mark = Some(self.marks.open());
                Verdict::Reread
            }
            Entry::Vacant(_) if began < self.forgotten_at => Verdict::Reset,
            Entry::Vacant(entry) => {
                let phase = Phase::Appending {
                    needs_reread: false,
                };
                entry.insert(RowState::new(phase, rows, &self.known_bytes));
                Verdict::Publish
            }
            Entry::Occupied(mut entry) => {
                let row_state = entry.get_mut();
                if let Phase::Published(published_at) = row_state.phase
                    && published_at.max(reset_at) < began
                {
                    row_state.phase = Phase::Appending {
                        needs_reread: false,
                    };
                    // The writes are in order, so subscribers hold only states of this event. An
                    // open write that began before the last publish is the exception: it may have
                    // read the old row too early, so its reread needs the earlier states.
                    if self
                        .open
                        .first()
                        .is_none_or(|oldest| *oldest > published_at)
                    {
                        row_state.known_rows.clear();
                    }
                    row_state.known_rows.extend(rows);
                    return Verdict::Publish;
                }
                row_state.known_rows.extend(rows);
                row_state.mark_for_reread(&mut self.marks)
            }
        }
    }

    /// Gives a later event of a unit the verdict of the first event that the unit has of the row.
    pub(super) fn decide_like(
        &mut self,
        id: &RowId,
        first: Verdict,
        rows: impl Iterator<Item = Row>,
    ) -> Verdict {
        let row_state = self.rows.get_mut(id);
        match (first, row_state) {
            (Verdict::Publish, Some(row_state)) => {
                row_state.known_rows.extend(rows);
                Verdict::Publish
            }
            (Verdict::Reread | Verdict::Join, Some(row_state)) => {
                row_state.known_rows.extend(rows);
                Verdict::Join
            }
            (_, None) | (Verdict::Reset, _) => Verdict::Reset,
        }
    }

    /// Forgets the rows that no open interval needs. While an interval is open, this runs only
    /// after the number of rows has doubled, because it visits all rows.
    pub(super) fn sweep(&mut self, max_rows: usize) {
        let oldest = self.open.first().copied();
        if oldest.is_some()
            && self.rows.len() < 2 * self.rows_after_sweep + 64
            && !self.known_bytes.is_too_large()
        {
            return;
        }
        // A reset decides about writes that began before it.
        self.resets
            .retain(|_, reset_at| oldest.is_some_and(|oldest| *reset_at > oldest));
        self.forget_published_until(oldest.unwrap_or(u64::MAX));
        if self.known_bytes.is_too_large() {
            self.forget_published_states();
        }
        if self.rows.len() > max_rows {
            // A write does not end, for example in a transaction that the application forgot.
            self.forgotten_at = self.now;
            self.forget_published_until(u64::MAX);
        }
        self.rows_after_sweep = self.rows.len();
    }

    /// Forgets the states of rows that are neither being appended nor reread, but not the rows.
    fn forget_published_states(&mut self) {
        for row_state in self.rows.values_mut() {
            if let Phase::Published(_) = row_state.phase {
                row_state.known_rows.forget();
            }
        }
    }

    fn forget_published_until(&mut self, time: u64) {
        self.rows.retain(|_, row_state| match row_state.phase {
            Phase::Published(published_at) => published_at > time,
            Phase::Appending { .. } | Phase::Rereading { .. } => true,
        });
    }
}

impl RowState {
    fn new(phase: Phase, rows: impl Iterator<Item = Row>, known_bytes: &KnownBytes) -> Self {
        let mut known_rows = KnownRows::new(known_bytes);
        known_rows.extend(rows);
        Self {
            phase,
            known_rows,
            mark: None,
            later_mark: None,
        }
    }

    /// Requires a reread. Returns [`Verdict::Reread`] if the caller must start it, else
    /// [`Verdict::Join`].
    fn mark_for_reread(&mut self, marks: &mut Marks) -> Verdict {
        match &mut self.phase {
            Phase::Published(_) => {
                self.phase = Phase::Rereading { read_again: true };
                self.mark = Some(marks.open());
                Verdict::Reread
            }
            Phase::Appending { needs_reread } => {
                *needs_reread = true;
                self.mark.get_or_insert_with(|| marks.open());
                Verdict::Join
            }
            Phase::Rereading { read_again } => {
                if !mem::replace(read_again, true) {
                    self.later_mark = Some(marks.open());
                }
                Verdict::Join
            }
        }
    }
}
