//! The rows that wait for a reread, by when they began to wait.

use std::collections::BTreeSet;

/// Numbers the marks of rows that must be reread. A mark is open until the row was appended as a
/// later read found it.
#[derive(Debug, Default)]
pub(super) struct Marks {
    last: u64,
    open: BTreeSet<u64>,
}

impl Marks {
    /// Opens a mark, and returns its number.
    pub(super) fn open(&mut self) -> u64 {
        self.last += 1;
        self.open.insert(self.last);
        self.last
    }

    pub(super) fn close(&mut self, mark: u64) {
        self.open.remove(&mark);
    }

    /// Returns the number of the last mark.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Returns whether all marks up to a number are closed.
    pub(super) fn are_closed(&self, last: u64) -> bool {
        self.open.first().is_none_or(|first| *first > last)
    }
}
