//! The entries of a unit whose last entry the tail has not read yet.

use rest_live_runtime::Entry;

use crate::queue::MAX_EVENTS;

/// Holds back the unit at the end of what was read, until it is complete. Redis has all its entries
/// already, but one read returns a limited number.
#[derive(Debug, Default)]
pub(crate) struct UnitBuffer {
    held: Vec<Entry>,
}

impl UnitBuffer {
    /// Adds entries in the order of the stream, up to the position `read`. Moves those of complete
    /// units to the result. A unit is the position of its last entry.
    pub(crate) fn complete(&mut self, entries: Vec<Entry>, read: u64) -> Vec<Entry> {
        self.held.extend(entries);
        // Units follow each other, so at most one is incomplete.
        let is_complete = |entry: &Entry| entry.unit <= read;
        let count = self.held.partition_point(is_complete);
        // No node appends a larger unit.
        if self.held.len() - count > MAX_EVENTS {
            return self.take();
        }
        self.held.drain(..count).collect()
    }

    /// Takes what is held, although it may be incomplete.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.held)
    }

    /// Returns the position of the first entry that is held.
    pub(crate) fn first(&self) -> Option<u64> {
        self.held.first().map(|entry| entry.position)
    }
}

#[cfg(test)]
mod tests {
    use rest_live_runtime::{Operation, StoredEvent};

    use super::*;

    fn entry(position: u64, unit: u64) -> Entry {
        let event = StoredEvent {
            model: "a.B".to_owned(),
            operation: Operation::Reset,
            key: None,
            old: Vec::new(),
            new: None,
            scope: None,
            captured: 0,
            node: None,
            began: None,
            following: unit - position,
        };
        Entry::stored(position, event).in_unit(unit)
    }

    fn positions(entries: Vec<Entry>) -> Vec<u64> {
        entries.into_iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn unit_is_held_until_its_last_entry() {
        let mut buffer = UnitBuffer::default();
        let entries = vec![entry(1, 1), entry(2, 5), entry(3, 5)];
        assert_eq!(positions(buffer.complete(entries, 3)), [1]);
        assert_eq!(buffer.first(), Some(2));
        assert!(buffer.complete(vec![entry(4, 5)], 4).is_empty());
        let entries = vec![entry(5, 5), entry(6, 7)];
        assert_eq!(positions(buffer.complete(entries, 6)), [2, 3, 4, 5]);
        assert_eq!(positions(buffer.take()), [6]);
        assert_eq!(buffer.first(), None);
    }

    #[test]
    fn held_entries_are_bounded() {
        let mut buffer = UnitBuffer::default();
        let end = u64::MAX;
        let full = (1..=MAX_EVENTS as u64).map(|position| entry(position, end));
        assert!(buffer.complete(full.collect(), 10_000).is_empty());
        let all = buffer.complete(vec![entry(10_001, end)], 10_001);
        assert_eq!(all.len(), MAX_EVENTS + 1);
        assert_eq!(buffer.first(), None);
    }
}
