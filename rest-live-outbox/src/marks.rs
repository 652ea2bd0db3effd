//! When numbers of the log are proven dead or seen: pure bookkeeping, without a database.
//!
//! An `INSERT` locks `live_event` before it draws its number, and its transaction lets go of the lock after its rows can be
//! seen. So who may still own a number that was drawn before a moment is among those who hold the lock after that
//! moment, and once all of them are gone, every statement from then on sees what there is of these numbers.

use std::collections::{BTreeSet, VecDeque};

/// The transactions that hold `live_event` for writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LockHolders {
    /// By their virtual transaction, which nobody has after them.
    pub(crate) running: BTreeSet<String>,
    /// Those that are prepared, by what `pg_locks` calls them then: their name changed when they were.
    pub(crate) prepared: BTreeSet<String>,
}

impl LockHolders {
    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.prepared.is_empty()
    }
}

/// Numbers up to a place, and who may still own some of them.
#[derive(Debug)]
struct Mark {
    up_to: u64,
    possible_owners: LockHolders,
}

/// The places that are not proven yet, ascending.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: VecDeque<Mark>,
    /// Who was prepared at the last look.
    prepared: BTreeSet<String>,
}

/// So many places are kept apart; what comes then is one.
const MAX_MARKS: usize = 64;

impl Marks {
    /// Takes in who holds the lock, asked after the numbers up to `up_to` were drawn. Returns the place up to which
    /// all are done, if it is a new one: a statement that begins from now on sees what there is up to it.
    pub(crate) fn observe(&mut self, up_to: u64, holders: &LockHolders) -> Option<u64> {
        let newly_prepared = holders.prepared.difference(&self.prepared);
        let newly_prepared: BTreeSet<String> = newly_prepared.cloned().collect();
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
    /// Leaves who is still there. One who is gone under the old name may be there as a prepared transaction under a new one:
    /// everyone that newly_prepared as such is a suspect then.
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
    fn a_place_is_proven_when_all_who_held_it_are_gone() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1", "2/1"], &[])), None);
        assert_eq!(marks.observe(8, &holders(&["2/1", "3/1"], &[])), None);
        assert_eq!(marks.observe(8, &holders(&["3/1"], &[])), Some(5));
        assert_eq!(marks.observe(8, &holders(&["4/1"], &[])), Some(8));
        assert_eq!(marks.observe(9, &holders(&[], &[])), Some(9));
    }

    #[test]
    fn a_later_place_proves_the_earlier_ones() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &[])), None);
        assert_eq!(marks.observe(9, &holders(&[], &[])), Some(9));
        assert_eq!(marks.observe(9, &holders(&["1/2"], &[])), None);
    }

    #[test]
    fn who_is_prepared_stays_a_suspect_under_the_new_name() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &["-1/70"])), None);
        // It may be this one, and is not the one that was prepared before.
        assert_eq!(marks.observe(5, &holders(&[], &["-1/70", "-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&["1/2"], &["-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&["1/2"], &["-1/72"])), Some(5));
    }

    #[test]
    fn a_prepared_one_that_came_holds_nothing_where_all_possible_owners_are_there() {
        let mut marks = Marks::default();
        assert_eq!(marks.observe(5, &holders(&["1/1"], &[])), None);
        assert_eq!(marks.observe(5, &holders(&["1/1"], &["-1/71"])), None);
        assert_eq!(marks.observe(5, &holders(&[], &["-1/71"])), Some(5));
    }

    #[test]
    fn one_that_stays_does_not_grow_it_without_bound() {
        let mut marks = Marks::default();
        for up_to in 1..1000 {
            assert_eq!(marks.observe(up_to, &holders(&["1/1"], &[])), None);
        }
        assert!(marks.marks.len() <= MAX_MARKS);
        assert_eq!(marks.observe(999, &holders(&["2/1"], &[])), Some(999));
    }
}
