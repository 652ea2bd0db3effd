//! Decides in which order the writes of each row are published.
//!
//! The database knows the order in which writes took effect, but does not report it. The server
//! only knows that a write that ended before another began took effect first. So each write has
//! an [`Interval`], from before it could take effect until it is appended to the log.
//!
//! An event is published unchanged if nothing of its row was published within its interval:
//! everything that was published before is then older. Otherwise the order of the two writes is
//! unknown. The row is *reread*: it is read again, and published as it was found.
//!
//! While a row is reread, nothing else of it is published. Writes that arrive meanwhile join the
//! reread. So a row is always read after everything that was published of it, and no subscriber
//! sees the row go back in time.
//!
//! This module is plain data behind a lock. [`crate::publish::publisher`] reads the rows and
//! appends the events.

mod known_rows;
mod marks;
mod state;

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use self::state::{Phase, State, Verdict};
use crate::data::{
    cursor::Cursor,
    event::{Action, Event, EventKind, Row},
    row_id::RowId,
    scoped_model::ScopedModel,
};

/// The open intervals, and what was published within them.
#[derive(Debug)]
pub(crate) struct Order {
    state: Mutex<State>,
    max_rows: usize,
    /// Notified when a reread, or another late append, is complete.
    appended_late: Notify,
}

/// Events that are appended after their write has returned. It ends with the drop of this value.
#[derive(Debug)]
pub(crate) struct LateAppend {
    order: Arc<Order>,
    mark: u64,
}

/// The interval of a write, which begins before the write can take effect. It ends with the drop of
/// this value, when the write is admitted or failed; [`Order`] tracks the append of each row.
#[derive(Debug)]
pub(crate) struct Interval {
    order: Arc<Order>,
    began: u64,
    /// Up to where this node had read the log when the interval began.
    read_cursor: Option<Cursor>,
}

/// An event that may be published unchanged.
#[derive(Debug)]
pub(crate) struct OrderedEvent {
    pub(crate) event: Event,
    /// Up to where this node had read the log before the write began. `None` if it does not
    /// matter.
    pub(crate) read_cursor: Option<Cursor>,
}

/// What to do with the events of a committed unit.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// Events to append now.
    pub(crate) events: Vec<OrderedEvent>,
    /// The rows of `events`, for [`Order::finish_append`].
    pub(crate) rows: Vec<RowId>,
    /// The models that `events` reset, for [`Order::finish_append`].
    pub(crate) resets: Vec<ScopedModel>,
    /// Rows whose reread the caller must start.
    pub(crate) rereads: Vec<RowId>,
}

/// Whether a reread is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RereadStatus {
    /// More writes arrived during the read: the caller must read the row again.
    Again,
    Done,
}

impl Order {
    /// Maximum number of rows that are remembered while a write is open. If there are more, all
    /// are forgotten, and the events of a write that was open then become resets.
    pub(crate) const MAX_ROWS: usize = 65_536;

    /// Maximum number of states that are remembered of one row. If overlapping writes have more,
    /// the row's model is reset.
    const MAX_ROW_STATES: usize = 256;

    /// Creates an order that remembers at most this number of rows, and this number of bytes of
    /// their states. If there are more bytes, states are forgotten: if writes of such a row
    /// overlap, its model is reset.
    pub(crate) fn new(max_rows: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(max_bytes)),
            max_rows,
            appended_late: Notify::new(),
        })
    }

    /// Records up to where this node has read the log. Other nodes learn from it what this node
    /// can know about writes that begin from now on.
    pub(crate) fn set_read_cursor(&self, cursor: Cursor) {
        self.state().read_cursor = Some(cursor);
    }

    /// Returns up to where this node has read the log.
    pub(crate) fn read_cursor(&self) -> Option<Cursor> {
        self.state().read_cursor.clone()
    }

    /// Returns whether a write is open.
    pub(crate) fn has_open_interval(&self) -> bool {
        !self.state().open.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Begins the interval of a write.
    pub(crate) fn begin(self: &Arc<Self>) -> Interval {
        let mut state = self.state();
        Interval {
            began: state.open_interval(),
            read_cursor: state.read_cursor.clone(),
            order: Arc::clone(self),
        }
    }

    /// Decides what to do with the events of a committed unit: a transaction, or a write that
    /// commits by itself. The admitted events count as being appended until
    /// [`finish_append`](Self::finish_append).
    pub(crate) fn admit(&self, events: Vec<(Event, Option<Arc<Interval>>)>) -> Admission {
        let mut admission = Admission::default();
        let mut state = self.state();
        // All events that this unit has of one row get the same verdict.
        let mut verdicts: HashMap<RowId, Verdict> = HashMap::new();
        let is_single = events.len() == 1;
        let mut ended = Vec::with_capacity(events.len());
        for (event, interval) in events {
            let began = interval.as_ref().map_or(u64::MAX, |i| i.began);
            let read_cursor = interval.as_ref().and_then(|i| i.read_cursor.clone());
            ended.extend(interval);
            let EventKind::Row(change) = &event.kind else {
                admission.add_reset(event);
                continue;
            };
            let id = event.row_id(&change.key);
            let creates = change.action == Action::Created;
            let rows = change.old.iter().chain(&change.new).cloned();
            let verdict = match verdicts.get(&id) {
                Some(first) => state.decide_like(&id, *first, rows),
                None => {
                    let verdict = state.decide(&id, began, rows);
                    if !is_single {
                        verdicts.insert(id.clone(), verdict);
                    }
                    verdict
                }
            };
            match verdict {
                Verdict::Publish => {
                    admission.events.push(OrderedEvent { event, read_cursor });
                    admission.rows.push(id);
                }
                Verdict::Reread | Verdict::Join => {
                    if creates {
                        state.unpublished_creations.insert(id.clone());
                    }
                    if verdict == Verdict::Reread {
                        admission.rereads.push(id);
                    }
                }
                Verdict::Reset => {
                    admission.add_reset(Event::reset(event.model).in_scope(event.scope));
                }
            }
        }
        for model in &admission.resets {
            // The unit's own rows are excluded: their events precede the resets of the unit.
            state.record_reset(model, |id| verdicts.contains_key(id));
        }
        drop(state);
        // Dropping an interval takes the lock.
        drop(ended);
        admission
    }

    /// Marks a row that may have been written, so that everything of it waits for a reread.
    /// `creates`: a write that is not published may have created it. Returns whether the caller
    /// must start that reread; if not, another one covers it.
    pub(crate) fn mark_for_reread(
        &self,
        row: &RowId,
        known_rows: impl IntoIterator<Item = Row>,
        creates: bool,
    ) -> bool {
        let mut state = self.state();
        if creates {
            state.unpublished_creations.insert(row.clone());
        }
        state.mark_for_reread(row, known_rows.into_iter())
    }

    /// Records that events are appended after their write has returned.
    pub(crate) fn begin_late_append(self: &Arc<Self>) -> LateAppend {
        LateAppend {
            mark: self.state().marks.open(),
            order: Arc::clone(self),
        }
    }

    /// Waits until the log has the events that were withheld or late when this was called.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn late_appends(&self) {
        let last = self.state().marks.last();
        loop {
            let appended_late = self.appended_late.notified();
            if self.state().marks.are_closed(last) {
                return;
            }
            appended_late.await;
        }
    }

    /// Records that the admitted events of these rows, and the resets of these models, are in the
    /// log. Returns the rows whose reread the caller must start now.
    pub(crate) fn finish_append(&self, rows: Vec<RowId>, resets: &[ScopedModel]) -> Vec<RowId> {
        let mut state = self.state();
        let now = state.tick();
        let mut rereads = Vec::new();
        for row in rows {
            let Some(row_state) = state.rows.get_mut(&row) else {
                continue;
            };
            match row_state.phase {
                Phase::Appending { needs_reread: true } => {
                    row_state.phase = Phase::Rereading { read_again: true };
                    rereads.push(row);
                }
                Phase::Appending {
                    needs_reread: false,
                } => row_state.phase = Phase::Published(now),
                // The unit has several events of the row: the first one was handled above.
                Phase::Published(_) | Phase::Rereading { .. } => {}
            }
        }
        for model in resets {
            // Until now a client could fetch because of this reset.
            state.record_reset(model, |_| false);
        }
        state.sweep(self.max_rows);
        rereads
    }

    /// Records that the model of a row is reset because of that row.
    pub(crate) fn record_reset(&self, cause: &RowId) {
        self.state().record_reset(&cause.model, |id| id == cause);
    }

    /// Begins or continues the reread of a row; the caller must read the row after this. Returns
    /// the states of the row that subscribers may hold, or `None` if these are not known any more.
    pub(crate) fn begin_reread(&self, row: &RowId) -> Option<Vec<Row>> {
        let mut state = self.state();
        let row_state = state.rows.get_mut(row)?;
        row_state.phase = Phase::Rereading { read_again: false };
        row_state.known_rows.take()
    }

    /// Returns whether a write that is not published may have created a row whose reread has begun.
    /// Call it before the row is read, so that the read finds what such a write created.
    pub(crate) fn take_creation(&self, row: &RowId) -> bool {
        self.state().unpublished_creations.remove(row)
    }

    /// Records that a reread row is in the log as it was found.
    pub(crate) fn finish_reread(&self, row: &RowId, found: Option<Row>) -> RereadStatus {
        let mut state = self.state();
        let status = if state.finish_reread(row, found) {
            RereadStatus::Again
        } else {
            state.sweep(self.max_rows);
            RereadStatus::Done
        };
        drop(state);
        self.appended_late.notify_waiters();
        status
    }
}

impl Admission {
    /// Adds the reset of a model, unless there is one already.
    fn add_reset(&mut self, event: Event) {
        let model = event.scoped_model();
        if !self.resets.contains(&model) {
            self.resets.push(model);
            self.events.push(OrderedEvent {
                event,
                read_cursor: None,
            });
        }
    }
}

impl Drop for LateAppend {
    fn drop(&mut self) {
        self.order.state().marks.close(self.mark);
        self.order.appended_late.notify_waiters();
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        let mut state = self.order.state();
        state.open.remove(&self.began);
        if state.open.is_empty() {
            state.sweep(self.order.max_rows);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
