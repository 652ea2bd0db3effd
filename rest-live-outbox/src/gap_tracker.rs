//! What a tail has yielded above its watermark, and what is missing in between: pure bookkeeping, without a database.

use std::collections::BTreeMap;

use crate::marks::{LockHolders, Marks};

/// The place of one tail.
#[derive(Debug)]
pub(crate) struct GapTracker {
    /// All up to here was yielded that will ever be there.
    watermark: u64,
    /// What was yielded above the watermark, as ranges that do not touch: first to last number.
    yielded: BTreeMap<u64, u64>,
    marks: Marks,
    /// Up to here, what a statement does not see will never be there.
    proven: u64,
}

/// So many ranges are yielded above a gap. Then the tail waits at it, and still loses nothing: the rows are in the table.
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

    /// Returns the last number that was yielded, or the watermark.
    pub(crate) fn last(&self) -> u64 {
        let last = self.yielded.last_key_value();
        last.map_or(self.watermark, |(_, &last)| last)
    }

    /// Returns the ranges of numbers that are missing below the last one, as two columns: first and last numbers.
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

    /// Returns whether there is room for what is behind the last number.
    pub(crate) fn has_room(&self) -> bool {
        self.yielded.len() < MAX_RANGES
    }

    /// Takes in who holds the lock, asked since the last rows were, and before the next are.
    pub(crate) fn observe(&mut self, holders: &LockHolders) {
        let proven = self.marks.observe(self.last(), holders);
        self.proven = self.proven.max(proven.unwrap_or_default());
    }

    /// Takes in what one statement saw of the [gaps](Self::gaps) and behind the last number, ascending; not all of it if
    /// `is_truncated`. Returns whether the watermark moved.
    pub(crate) fn record(&mut self, numbers: &[u64], is_truncated: bool) -> bool {
        for &number in numbers {
            self.insert(number);
        }
        let before = self.watermark;
        // Of what is behind the cut this statement says nothing.
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
