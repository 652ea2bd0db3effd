//! The event numbers that a tail has yielded, and the gaps between them. Pure bookkeeping, without
//! a database.

use std::collections::BTreeMap;

use crate::marks::{LockHolders, Marks};

/// The read position of one tail: a watermark, and the numbers yielded past it.
#[derive(Debug)]
pub(crate) struct GapTracker {
    /// Every event up to this number was yielded, or will never exist.
    watermark: u64,
    /// The numbers yielded past the watermark: the first number of each range, and its last. Ranges
    /// never touch.
    yielded: BTreeMap<u64, u64>,
    marks: Marks,
    /// A number up to here that a statement does not see will never exist.
    proven: u64,
}

/// Maximum number of ranges past the watermark. At the limit the tail waits for its gaps to close.
/// It loses nothing, because the rows stay in the table.
const MAX_RANGES: usize = 8_192;

impl GapTracker {
    pub(crate) fn new(watermark: u64) -> Self {
        Self {
            watermark,
            yielded: BTreeMap::new(),
            marks: Marks::default(),
            proven: watermark,
        }
    }

    pub(crate) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Returns the last number that was yielded, or the watermark if none was yielded past it.
    pub(crate) fn last(&self) -> u64 {
        let last = self.yielded.last_key_value();
        last.map_or(self.watermark, |(_, &last)| last)
    }

    /// Returns the missing ranges below the last number as two columns: first numbers and last
    /// numbers.
    pub(crate) fn gaps(&self) -> (Vec<i64>, Vec<i64>) {
        let befores = std::iter::once(self.watermark).chain(self.yielded.values().copied());
        let afters = self.yielded.keys().copied();
        let gaps = befores.zip(afters);
        gaps.map(|(before, after)| (before as i64 + 1, after as i64 - 1))
            .unzip()
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.yielded.is_empty()
    }

    /// Returns whether the tail may read past the last number.
    pub(crate) fn has_room(&self) -> bool {
        self.yielded.len() < MAX_RANGES
    }

    /// Records the lock holders. They must be read after the previous rows and before the next
    /// ones.
    pub(crate) fn observe(&mut self, holders: &LockHolders) {
        let proven = self.marks.observe(self.last(), holders);
        self.proven = self.proven.max(proven.unwrap_or_default());
    }

    /// Records, in ascending order, the numbers that one statement found in the [gaps](Self::gaps)
    /// and past the last number. `is_truncated` means that the statement stopped at its row limit.
    /// Returns whether the watermark moved.
    pub(crate) fn record(&mut self, numbers: &[u64], is_truncated: bool) -> bool {
        for &number in numbers {
            self.insert(number);
        }
        let before = self.watermark;
        // A truncated statement says nothing about the numbers after its last row.
        let up_to = match numbers.last() {
            Some(&last) if is_truncated => self.proven.min(last),
            _ => self.proven,
        };
        self.watermark = self.watermark.max(up_to);
        while let Some(range) = self.yielded.first_entry() {
            if *range.key() > self.watermark + 1 {
                break;
            }
            self.watermark = self.watermark.max(range.remove());
        }
        self.watermark > before
    }

    fn insert(&mut self, number: u64) {
        let (mut first, mut last) = (number, number);
        if let Some((&before, &end)) = self.yielded.range(..=number).next_back()
            && end + 1 >= number
        {
            (first, last) = (before, end.max(number));
        }
        if let Some(end) = self.yielded.remove(&(number + 1)) {
            last = end;
        }
        self.yielded.insert(first, last);
    }
}

#[cfg(test)]
mod tests;
