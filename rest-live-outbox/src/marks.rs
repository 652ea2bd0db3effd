//! Proof that no transaction can still commit an event up to some number. Pure bookkeeping, without
//! a database.
//!
//! An `INSERT` locks `live_event` before it draws its number, and its transaction releases the lock
//! after its rows have become visible. So a transaction that may still own a number drawn before a
//! moment holds the lock after that moment. Once all those holders are gone, every later statement
//! sees all that will ever exist up to that number.

use std::collections::{BTreeSet, VecDeque};

/// The transactions that hold a write lock on `live_event`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LockHolders {
    /// Running transactions, by virtual transaction id, which is never reused.
    pub(crate) running: BTreeSet<String>,
    /// Prepared transactions, by the name that `pg_locks` gives them. It differs from the name that
    /// they had while running.
    pub(crate) prepared: BTreeSet<String>,
}

impl LockHolders {
    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.prepared.is_empty()
    }
}

/// A number, with the transactions that may still own it or a smaller one.
#[derive(Debug)]
struct Mark {
    up_to: u64,
    possible_owners: LockHolders,
}

/// The marks that are not proven yet, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: VecDeque<Mark>,
    /// The transactions that were prepared at the last observation.
    prepared: BTreeSet<String>,
}

/// Maximum number of marks. At the limit, a new mark replaces the last one.
const MAX_MARKS: usize = 64;

impl Marks {
    /// Records the lock holders, which must be read after the numbers up to `up_to` were drawn.
    /// Returns the largest newly proven number, if any: every statement that starts from now on
    /// sees all events up to it.
    pub(crate) fn observe(&mut self, up_to: u64, holders: &LockHolders) -> Option<u64> {
        let newly_prepared: BTreeSet<String> = holders
            .prepared
            .difference(&self.prepared)
            .cloned()
            .collect();
        for mark in &mut self.marks {
            mark.possible_owners
                .retain_present(holders, &newly_prepared);
        }
        self.prepared.clone_from(&holders.prepared);
        if self.marks.back().is_none_or(|last| last.up_to < up_to) {
            if self.marks.len() == MAX_MARKS {
                self.marks.pop_back();
            }
            self.marks.push_back(Mark {
                up_to,
                possible_owners: holders.clone(),
            });
        }
        let proven = self
            .marks
            .iter()
            .rposition(|mark| mark.possible_owners.is_empty())?;
        self.marks
            .drain(..=proven)
            .next_back()
            .map(|mark| mark.up_to)
    }
}

impl LockHolders {
    /// Keeps the transactions that are still present. A running transaction that disappeared may
    /// have been prepared under a new name. In that case all newly prepared ones become possible
    /// owners.
    fn retain_present(&mut self, holders: &Self, newly_prepared: &BTreeSet<String>) {
        let before = self.running.len();
        self.running.retain(|name| holders.running.contains(name));
        self.prepared.retain(|name| holders.prepared.contains(name));
        if self.running.len() < before {
            self.prepared.extend(newly_prepared.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holders(running: &[&str], prepared: &[&str]) -> LockHolders {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        LockHolders {
            running: names(running),
            prepared: names(prepared),
        }
    }

    #[test]
    fn mark_is_proven_once_its_holders_are_gone() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1", "2/1"], &[])), None);
        assert_eq!(marks.observe(8, &holders(&["2/1", "3/1"], &[])), None);
        assert_eq!(marks.observe(8, &holders(&["3/1"], &[])), Some(5));
        assert_eq!(marks.observe(8, &holders(&["4/1"], &[])), Some(8));
        assert_eq!(marks.observe(9, &holders(&[], &[])), Some(9));
    }

    #[test]
    fn later_mark_proves_earlier_ones() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &[])), None);
        assert_eq!(marks.observe(9, &holders(&[], &[])), Some(9));
        assert_eq!(marks.observe(9, &holders(&["1/2"], &[])), None);
    }

    #[test]
    fn newly_prepared_transaction_may_own_numbers() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &["-1/70"])), None);
        // -1/71 may be 1/1 under its new name. -1/70 was prepared before, so it is not 1/1.
        assert_eq!(marks.observe(5, &holders(&[], &["-1/70", "-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&["1/2"], &["-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&["1/2"], &["-1/72"])), Some(5));
    }

    #[test]
    fn new_prepared_is_ignored_if_all_owners_remain() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &[])), None);
        assert_eq!(marks.observe(5, &holders(&["1/1"], &["-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&[], &["-1/71"])), Some(5));
    }

    #[test]
    fn long_transaction_keeps_marks_bounded() {
        let mut marks = Marks::default();
        for up_to in 1..1000 {
            assert_eq!(marks.observe(up_to, &holders(&["1/1"], &[])), None);
        }
        assert!(marks.marks.len() <= MAX_MARKS);
        assert_eq!(marks.observe(999, &holders(&["2/1"], &[])), Some(999));
    }
}
