//! Tests the tracker on a simulated server, whose transactions draw numbers, commit and abort in
//! any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;

/// The state of a simulated server.
#[derive(Default)]
struct Server {
    drawn: u64,
    clock: u64,
    /// The names of the open transactions, with their numbers.
    open: BTreeMap<String, Vec<u64>>,
    prepared: BTreeMap<String, Vec<u64>>,
    visible: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Draw(usize),
    End { index: usize, commits: bool },
    Prepare(usize),
    EndPrepared { index: usize, commits: bool },
    Observe,
    Read { limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize).prop_map(Step::Draw),
        3 => (0..5_usize, any::<bool>()).prop_map(|(index, commits)| Step::End { index, commits }),
        1 => (0..5_usize).prop_map(Step::Prepare),
        1 => (0..5_usize, any::<bool>()).prop_map(|(index, commits)| Step::EndPrepared { index, commits }),
        2 => Just(Step::Observe),
        3 => (1..6_usize).prop_map(|limit| Step::Read { limit }),
    ]
}

impl Server {
    fn nth(map: &BTreeMap<String, Vec<u64>>, index: usize) -> Option<String> {
        map.keys().nth(index).cloned()
    }

    fn holders(&self) -> LockHolders {
        LockHolders {
            running: self.open.keys().cloned().collect(),
            prepared: self.prepared.keys().cloned().collect(),
        }
    }

    fn name(&mut self, of: &str) -> String {
        self.clock += 1;
        format!("{of}/{}", self.clock)
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Draw(index) => {
                let name = Self::nth(&self.open, index);
                let name = name.unwrap_or_else(|| self.name("1"));
                self.drawn += 1;
                self.open.entry(name).or_default().push(self.drawn);
            }
            Step::End { index, commits } => {
                let numbers = Self::nth(&self.open, index).and_then(|name| self.open.remove(&name));
                self.visible
                    .extend(numbers.filter(|_| commits).into_iter().flatten());
            }
            Step::Prepare(index) => {
                if let Some(name) = Self::nth(&self.open, index) {
                    let numbers = self.open.remove(&name).unwrap_or_default();
                    let name = self.name("-1");
                    self.prepared.insert(name, numbers);
                }
            }
            Step::EndPrepared { index, commits } => {
                let name = Self::nth(&self.prepared, index);
                let numbers = name.and_then(|name| self.prepared.remove(&name));
                self.visible
                    .extend(numbers.filter(|_| commits).into_iter().flatten());
            }
            Step::Observe | Step::Read { .. } => {}
        }
    }

    /// Returns the rows that the reader's statement sees.
    fn rows(&self, tracker: &GapTracker, limit: usize) -> Vec<u64> {
        let (firsts, lasts) = tracker.gaps();
        let gaps: Vec<_> = firsts.into_iter().zip(lasts).collect();
        let is_requested = |number: u64| {
            let in_gap = |&(first, last): &(i64, i64)| (first..=last).contains(&(number as i64));
            number > tracker.last() || gaps.iter().any(in_gap)
        };
        let rows = self.visible.iter().copied();
        rows.filter(|&number| is_requested(number))
            .take(limit)
            .collect()
    }
}

struct Reader {
    tracker: GapTracker,
    yielded: Vec<u64>,
}

impl Reader {
    fn read(&mut self, server: &Server, limit: usize) {
        let rows = server.rows(&self.tracker, limit);
        self.tracker.record(&rows, rows.len() == limit);
        self.yielded.extend(rows);
        let watermark = self.tracker.watermark();
        let mut open = server
            .open
            .values()
            .chain(server.prepared.values())
            .flatten();
        assert!(
            open.all(|&number| number > watermark),
            "the watermark {watermark} is past a number that may still come"
        );
        let seen: BTreeSet<u64> = self.yielded.iter().copied().collect();
        assert_eq!(seen.len(), self.yielded.len(), "yielded twice");
        let mut visible = server.visible.iter();
        assert!(
            visible.all(|number| *number > watermark || seen.contains(number)),
            "the watermark {watermark} is past a number that was not yielded"
        );
    }
}

proptest! {
    #[test]
    fn every_event_is_yielded_exactly_once(steps in vec(step(), 0..120)) {
        let mut server = Server::default();
        let mut reader = Reader { tracker: GapTracker::new(0), yielded: Vec::new() };
        for step in &steps {
            server.apply(step);
            match *step {
                Step::Observe => reader.tracker.observe(&server.holders()),
                Step::Read { limit } => reader.read(&server, limit),
                _ => {}
            }
        }
        // Once all transactions have ended, the watermark reaches the last number.
        while !server.open.is_empty() {
            server.apply(&Step::End { index: 0, commits: true });
        }
        while !server.prepared.is_empty() {
            server.apply(&Step::EndPrepared { index: 0, commits: false });
        }
        for _ in 0..200 {
            reader.tracker.observe(&server.holders());
            reader.read(&server, 3);
        }
        let last = server.visible.last().copied().unwrap_or_default();
        prop_assert!(reader.tracker.watermark() >= last);
        prop_assert!(!reader.tracker.has_gaps());
    }
}

#[test]
fn adjacent_ranges_merge() {
    let mut tracker = GapTracker::new(10);
    assert!(!tracker.record(&[13, 14, 17], false));
    assert_eq!(tracker.gaps(), (vec![11, 15], vec![12, 16]));
    assert!(!tracker.record(&[12, 15, 16], false));
    assert_eq!(tracker.gaps(), (vec![11], vec![11]));
    assert!(tracker.record(&[11], false));
    assert_eq!((tracker.watermark(), tracker.last()), (17, 17));
    assert!(!tracker.has_gaps());
}

#[test]
fn too_many_ranges_leave_no_room() {
    let mut tracker = GapTracker::new(0);
    let max = MAX_RANGES as u64;
    for number in 1..=max {
        assert!(tracker.has_room());
        tracker.record(&[number * 2], false);
    }
    assert!(!tracker.has_room());
    tracker.observe(&LockHolders::default());
    assert!(tracker.record(&[], false));
    assert_eq!(tracker.watermark(), max * 2);
    assert!(tracker.has_room());
}

#[test]
fn truncated_read_holds_the_watermark() {
    let mut tracker = GapTracker::new(0);
    tracker.record(&[3, 6], false);
    tracker.observe(&LockHolders::default());
    assert!(tracker.record(&[1], true));
    assert_eq!(tracker.watermark(), 1);
    assert!(tracker.record(&[5], false));
    assert_eq!(tracker.watermark(), 6);
}
