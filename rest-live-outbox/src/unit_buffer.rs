//! The events of transactions that the tail may have read in part.

use std::collections::HashSet;

use rest_live_runtime::{Entry, LoggedEvent, StoredEvent};

/// Maximum number of events that are held back.
const MAX_EVENTS: usize = 10_000;

/// Maximum size of these events.
const MAX_BYTES: usize = 32 << 20;

/// Holds back events while the tail has not read all that one snapshot contains: it may lack the
/// rest of their transactions.
#[derive(Debug, Default)]
pub(crate) struct UnitBuffer {
    held: Vec<Entry>,
    bytes: usize,
    /// The units that were yielded although more of them may follow.
    cut: HashSet<u64>,
}

impl UnitBuffer {
    /// Adds the events that one statement returned, and moves those of complete units to the
    /// result, by ascending positions. `is_whole` is whether the statement saw no further event.
    ///
    /// If too many are held, the result contains the units that the last statement did not see, as
    /// the events of a transaction are usually near each other, or else everything. Then the units
    /// are marked as cut.
    pub(crate) fn complete(&mut self, entries: Vec<Entry>, is_whole: bool) -> Vec<Entry> {
        if is_whole && self.held.is_empty() && self.cut.is_empty() {
            return entries;
        }
        let mark = |entry: Entry| {
            if self.cut.contains(&entry.unit) {
                entry.cut()
            } else {
                entry
            }
        };
        let entries: Vec<_> = entries.into_iter().map(mark).collect();
        let seen: HashSet<u64> = entries.iter().map(|entry| entry.unit).collect();
        self.bytes += bytes_of(&entries);
        self.held.extend(entries);
        let mut complete = Vec::new();
        if !is_whole && self.is_full() {
            let is_past = |entry: &mut Entry| !seen.contains(&entry.unit);
            complete.extend(self.held.extract_if(.., is_past).map(Entry::cut));
            self.bytes -= bytes_of(&complete);
        }
        if is_whole {
            complete.append(&mut self.held);
            self.bytes = 0;
            self.cut.clear();
        } else if self.is_full() {
            complete.extend(self.held.drain(..).map(Entry::cut));
            self.bytes = 0;
        }
        if !is_whole {
            self.cut.extend(complete.iter().map(|entry| entry.unit));
        }
        complete.sort_unstable_by_key(|entry| entry.position);
        complete
    }

    fn is_full(&self) -> bool {
        self.held.len() > MAX_EVENTS || self.bytes > MAX_BYTES
    }

    /// Drops everything, because subscribers fetch again.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the smallest position that is held.
    pub(crate) fn first(&self) -> Option<u64> {
        self.held.iter().map(|entry| entry.position).min()
    }
}

fn bytes_of(entries: &[Entry]) -> usize {
    entries.iter().map(entry_bytes).sum()
}

fn entry_bytes(entry: &Entry) -> usize {
    let LoggedEvent::Stored(event) = &entry.event else {
        return 0;
    };
    let StoredEvent { key, old, new, .. } = &**event;
    let texts = key.iter().chain(old).chain(new);
    size_of::<StoredEvent>() + texts.map(|text| text.get().len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use rest_live_runtime::Operation;
    use serde_json::value::RawValue;

    use super::*;

    fn entry(position: u64, unit: u64, bytes: usize) -> Entry {
        let row = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes)));
        let event = StoredEvent {
            model: "a.B".to_owned(),
            operation: Operation::Insert,
            key: None,
            old: Vec::new(),
            new: row.ok(),
            scope: None,
            captured: 0,
            node: None,
            began: None,
            following: 0,
        };
        Entry::stored(position, event).in_unit(unit)
    }

    fn positions(entries: Vec<Entry>) -> Vec<u64> {
        entries.into_iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn everything_is_held_until_the_end_was_read() {
        let mut buffer = UnitBuffer::default();
        let first = vec![entry(5, 1, 9), entry(7, 2, 9)];
        assert!(buffer.complete(first, false).is_empty());
        assert_eq!(buffer.first(), Some(5));
        // The rest of a transaction, and one that has committed since before the others.
        let rest = vec![entry(3, 4, 9), entry(8, 1, 9)];
        assert_eq!(positions(buffer.complete(rest, true)), [3, 5, 7, 8]);
        assert_eq!((buffer.first(), buffer.bytes), (None, 0));
        let single = vec![entry(9, 3, 9)];
        assert_eq!(positions(buffer.complete(single, true)), [9]);
    }

    #[test]
    fn held_events_are_bounded() {
        let mut buffer = UnitBuffer::default();
        let page = |from: u64, unit| (from..from + 1000).map(|p| entry(p, unit, 9)).collect();
        for number in 0..10 {
            let held = buffer.complete(page(1 + number * 1000, number), false);
            assert!(held.is_empty(), "page {number}");
        }
        // Unit 9 may continue, the others were not seen any more.
        let complete = buffer.complete(page(10_001, 9), false);
        assert_eq!(complete.len(), 9_000);
        assert!(complete.iter().all(|entry| entry.is_cut));
        assert_eq!(buffer.first(), Some(9_001));
        // One transaction that is too large.
        let mut complete = Vec::new();
        for number in 11..20 {
            complete.extend(buffer.complete(page(1 + number * 1000, 9), false));
        }
        assert_eq!(complete.len(), 11_000);
        let large = vec![entry(50_000, 7, MAX_BYTES)];
        let complete = positions(buffer.complete(large, false));
        assert_eq!(complete.last(), Some(&50_000));
        assert_eq!(buffer.bytes, 0);
        // The rest of a unit that was yielded, and another one.
        let rest = vec![entry(50_001, 7, 9), entry(50_002, 99, 9)];
        let rest = buffer.complete(rest, true);
        assert!(rest.iter().map(|entry| entry.is_cut).eq([true, false]));
        let next = buffer.complete(vec![entry(50_003, 7, 9)], true);
        assert!(!next[0].is_cut);
    }
}
