//! The rows of withheld events, until a later state of each is published.
//!
//! The node that wrote a withheld event reads the row again. If that node has ended since, no node
//! would. So if no later state of the row is published in time, this node reads the row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem,
    time::Duration,
};

use tokio::time::Instant;

use crate::data::{cursor::Cursor, event::Row, row_id::RowId, scoped_model::ScopedModel};

/// How long the node that wrote an event may take to read the row again.
const REREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum random time that is added, so that usually one node reads the row, and not all.
const MAX_JITTER_MS: u64 = 2_000;

/// Maximum number of rows that wait. If there are more, they are read at once.
const MAX_ROWS: usize = 4_096;

/// The withheld events that no later event covers.
#[derive(Debug, Default)]
pub(crate) struct WithheldRows {
    /// The rows that this node reads again at once, with the positions of their first and their
    /// last event that is not covered.
    own: HashMap<RowId, (u64, u64)>,
    rows: HashMap<RowId, WithheldRow>,
}

/// A row of which events are withheld.
#[derive(Debug)]
struct WithheldRow {
    /// Withheld events before this position are covered.
    first: u64,
    /// The position of the last withheld event.
    last: u64,
    /// The states that subscribers may hold.
    known_rows: Vec<Row>,
    /// Whether a withheld event may have created the row.
    creates: bool,
    /// When this node reads the row; `None` after it began.
    due: Option<Instant>,
}

/// A row that this node must read.
#[derive(Debug)]
pub(crate) struct DueRow {
    pub(crate) row: RowId,
    /// The states that subscribers may hold.
    pub(crate) known_rows: Vec<Row>,
    /// Whether a withheld event may have created the row.
    pub(crate) creates: bool,
}

impl WithheldRows {
    /// Records that an event of a row is withheld.
    pub(crate) fn add(
        &mut self,
        row: RowId,
        position: u64,
        known_rows: Vec<Row>,
        creates: bool,
        now: Instant,
    ) {
        let jitter = RandomState::new().hash_one(()) % MAX_JITTER_MS;
        let due = if self.rows.len() < MAX_ROWS {
            now + REREAD_TIMEOUT + Duration::from_millis(jitter)
        } else {
            now
        };
        let withheld = self.rows.entry(row).or_insert_with(|| WithheldRow {
            first: position,
            last: position,
            known_rows: Vec::new(),
            creates: false,
            due: None,
        });
        withheld.last = position;
        withheld.known_rows.extend(known_rows);
        withheld.creates |= creates;
        withheld.due = Some(due);
    }

    /// Records that an event of a row is withheld, and that this node reads the row at once.
    pub(crate) fn add_own(&mut self, row: RowId, position: u64) {
        self.own.entry(row).or_insert((position, position)).1 = position;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.own.is_empty()
    }

    /// Records that an event of a row is published, which leaves the row in a state. The event
    /// covers the withheld events that its node had read before its write began.
    pub(crate) fn published(&mut self, row: &RowId, began: Option<&Cursor>, state: Option<&Row>) {
        let began = began.map_or(0, |began| began.position);
        if let Some(withheld) = self.rows.get_mut(row) {
            if withheld.last <= began {
                self.rows.remove(row);
            } else {
                withheld.first = withheld.first.max(began.saturating_add(1));
                withheld.known_rows.extend(state.cloned());
            }
        }
        if let Some((first, last)) = self.own.get_mut(row) {
            if *last <= began {
                self.own.remove(row);
            } else {
                *first = (*first).max(began.saturating_add(1));
            }
        }
    }

    /// Records that the reset of a model is published: its subscribers fetch again.
    pub(crate) fn model_reset(&mut self, model: &ScopedModel, position: u64) {
        self.rows
            .retain(|row, withheld| row.model != *model || withheld.last > position);
        self.own
            .retain(|row, (_, last)| row.model != *model || *last > position);
    }

    /// Returns the position of the first withheld event that no later event covers.
    pub(crate) fn first(&self) -> Option<u64> {
        let others = self.rows.values().map(|withheld| withheld.first);
        let own = self.own.values().map(|(first, _)| *first);
        others.chain(own).min()
    }

    /// Forgets all rows, because subscribers fetch again.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.own.clear();
    }

    /// Returns when the next row is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.rows.values().filter_map(|withheld| withheld.due).min()
    }

    /// Returns the rows that are due. Each is due once, and stays withheld until an event covers
    /// it.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<DueRow> {
        let take = |(row, withheld): (&RowId, &mut WithheldRow)| {
            withheld.due.take_if(|due| *due <= now)?;
            Some(DueRow {
                row: row.clone(),
                known_rows: mem::take(&mut withheld.known_rows),
                creates: withheld.creates,
            })
        };
        self.rows.iter_mut().filter_map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{cursor::Epoch, key::KeyValue};

    fn row(id: i128) -> RowId {
        let model = ScopedModel::new(Arc::from("a.B"), None);
        RowId::new(model, KeyValue::Integer(id))
    }

    fn at(position: u64) -> Cursor {
        Cursor {
            epoch: Epoch::named("now"),
            position,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn row_that_no_node_reads_is_due_once() {
        let mut rows = WithheldRows::default();
        rows.add(row(1), 7, Vec::new(), true, Instant::now());
        assert!(rows.take_due(Instant::now()).is_empty());
        let due = rows.next_due().expect("one row waits");
        assert!(due - Instant::now() >= REREAD_TIMEOUT);
        let taken = rows.take_due(due);
        assert!(taken.len() == 1 && taken[0].row == row(1) && taken[0].creates);
        assert_eq!((rows.next_due(), rows.first()), (None, Some(7)));
        assert!(rows.take_due(due).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn later_state_covers_a_withheld_event() {
        let mut rows = WithheldRows::default();
        rows.add(row(1), 7, Vec::new(), false, Instant::now());
        rows.published(&row(2), Some(&at(9)), None);
        rows.published(&row(1), None, None);
        // Its node had not read the withheld event.
        rows.published(&row(1), Some(&at(6)), None);
        assert!(rows.next_due().is_some());
        rows.published(&row(1), Some(&at(7)), None);
        assert_eq!((rows.next_due(), rows.first()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn first_event_advances_as_events_are_covered() {
        let mut rows = WithheldRows::default();
        for (id, position) in [(1, 7), (2, 8), (1, 20)] {
            rows.add(row(id), position, Vec::new(), false, Instant::now());
        }
        assert_eq!(rows.first(), Some(7));
        // The events of row 1 up to position 9 are covered, and the last one is not.
        rows.published(&row(1), Some(&at(9)), None);
        assert_eq!(rows.first(), Some(8));
        rows.published(&row(2), Some(&at(9)), None);
        assert_eq!(rows.first(), Some(10));
        rows.published(&row(1), Some(&at(20)), None);
        assert_eq!(rows.first(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn reset_covers_the_rows_of_its_model() {
        let mut rows = WithheldRows::default();
        for (id, position) in [(1, 7), (2, 9)] {
            rows.add(row(id), position, Vec::new(), false, Instant::now());
        }
        rows.model_reset(&ScopedModel::new(Arc::from("a.C"), None), 30);
        assert_eq!(rows.first(), Some(7));
        rows.model_reset(&row(1).model, 8);
        assert_eq!(rows.first(), Some(9));
    }

    #[tokio::test(start_paused = true)]
    async fn number_of_waiting_rows_is_bounded() {
        let mut rows = WithheldRows::default();
        let now = Instant::now();
        for id in 0..=MAX_ROWS as i128 {
            rows.add(row(id), 7, Vec::new(), false, now);
        }
        assert_eq!(rows.take_due(now).len(), 1);
    }
}
