//! The rows of withheld events, until a later state of each is published.
//!
//! The node that wrote a withheld event reads the row again. If that node has ended since, no node
//! would. So if no later state of the row is published in time, this node reads the row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::data::{cursor::Cursor, event::Row, row_id::RowId};

/// How long the node that wrote an event may take to read the row again.
const REREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum random time that is added, so that usually one node reads the row, and not all.
const MAX_JITTER_MS: u64 = 2_000;

/// Maximum number of rows that wait. If there are more, they are read at once.
const MAX_ROWS: usize = 4_096;

/// The withheld events that no later event covers.
#[derive(Debug, Default)]
pub(crate) struct WithheldRows {
    rows: HashMap<RowId, WithheldRow>,
}

/// A row of which events are withheld.
#[derive(Debug)]
pub(crate) struct WithheldRow {
    /// The position of the last withheld event.
    position: u64,
    /// The states that subscribers may hold.
    pub(crate) known_rows: Vec<Row>,
    /// Whether a withheld event may have created the row.
    pub(crate) creates: bool,
    due: Instant,
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
            position,
            known_rows: Vec::new(),
            creates: false,
            due,
        });
        withheld.position = position;
        withheld.known_rows.extend(known_rows);
        withheld.creates |= creates;
        withheld.due = due;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Records that an event of a row is published. It covers the withheld events that its node had
    /// read before its write began.
    pub(crate) fn published(&mut self, row: &RowId, began: Option<&Cursor>) {
        let began = began.map_or(0, |began| began.position);
        if let Some(withheld) = self.rows.get(row)
            && withheld.position <= began
        {
            self.rows.remove(row);
        }
    }

    /// Forgets all rows, because subscribers fetch again.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Returns when the next row is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.rows.values().map(|withheld| withheld.due).min()
    }

    /// Takes the rows that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(RowId, WithheldRow)> {
        let due = self.rows.extract_if(|_, withheld| withheld.due <= now);
        due.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{cursor::Epoch, key::KeyValue, scoped_model::ScopedModel};

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
        assert!(taken.len() == 1 && taken[0].0 == row(1) && taken[0].1.creates);
        assert_eq!(rows.next_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn later_state_covers_a_withheld_event() {
        let mut rows = WithheldRows::default();
        rows.add(row(1), 7, Vec::new(), false, Instant::now());
        rows.published(&row(2), Some(&at(9)));
        rows.published(&row(1), None);
        // Its node had not read the withheld event.
        rows.published(&row(1), Some(&at(6)));
        assert!(rows.next_due().is_some());
        rows.published(&row(1), Some(&at(7)));
        assert_eq!(rows.next_due(), None);
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
