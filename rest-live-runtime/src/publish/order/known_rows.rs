//! The states of a row that subscribers may hold.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::Order;
use crate::data::event::Row;

/// The size of all known states of all rows.
#[derive(Clone, Debug)]
pub(super) struct KnownBytes {
    all: Arc<AtomicUsize>,
    max: usize,
}

impl KnownBytes {
    pub(super) fn new(max: usize) -> Self {
        Self {
            all: Arc::default(),
            max,
        }
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.all.load(Ordering::Relaxed) > self.max
    }
}

/// The states of one row that subscribers may hold, oldest first: the rows before and after each
/// write that was published since the oldest open interval began, and of each write that waits for
/// a reread.
#[derive(Debug)]
pub(super) struct KnownRows {
    /// `None` if there were too many.
    rows: Option<Vec<Row>>,
    bytes: usize,
    known_bytes: KnownBytes,
}

impl KnownRows {
    pub(super) fn new(known_bytes: &KnownBytes) -> Self {
        Self {
            rows: Some(Vec::new()),
            bytes: 0,
            known_bytes: known_bytes.clone(),
        }
    }

    /// Adds states, without those that are known. If there are too many, all are forgotten.
    pub(super) fn extend(&mut self, added: impl Iterator<Item = Row>) {
        let Some(rows) = &mut self.rows else { return };
        let mut bytes = 0;
        for row in added {
            if !rows.iter().any(|known| known.ptr_eq(&row)) {
                bytes += row.bytes();
                rows.push(row);
            }
        }
        let is_too_long = rows.len() > Order::MAX_ROW_STATES;
        self.add_bytes(bytes);
        if is_too_long || self.known_bytes.is_too_large() {
            self.forget();
        }
    }

    /// Forgets the states: there are too many.
    pub(super) fn forget(&mut self) {
        self.replace(None);
    }

    /// Adds a state that is older than the known ones.
    pub(super) fn prepend(&mut self, row: Row) {
        if let Some(rows) = &mut self.rows {
            let bytes = row.bytes();
            rows.insert(0, row);
            self.add_bytes(bytes);
        }
    }

    /// Forgets the states, and knows all that are added from now on.
    pub(super) fn clear(&mut self) {
        self.replace(Some(Vec::new()));
    }

    /// Does the same, and returns the states; `None` if there were too many.
    pub(super) fn take(&mut self) -> Option<Vec<Row>> {
        self.replace(Some(Vec::new()))
    }

    fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.known_bytes.all.fetch_add(bytes, Ordering::Relaxed);
    }

    fn replace(&mut self, rows: Option<Vec<Row>>) -> Option<Vec<Row>> {
        let bytes = mem::take(&mut self.bytes);
        self.known_bytes.all.fetch_sub(bytes, Ordering::Relaxed);
        mem::replace(&mut self.rows, rows)
    }
}

impl Drop for KnownRows {
    fn drop(&mut self) {
        self.forget();
    }
}
