//! The tracker against a simulated server: transactions draw numbers, commit and abort in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;

/// A server as the reader sees it.
#[derive(Default)]
struct Server {
    drawn: u64,
    clock: u64,
    /// Name and numbers of the open transactions.
    open: BTreeMap<String, Vec<u64>>,
    prepared: BTreeMap<String, Vec<u64>>,
    visible: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Draw(usize),
    End { who: usize, commits: bool },
    Prepare(usize),
    EndPrepared { who: usize, commits: bool },
    Look,
    Read { limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize).prop_map(Step::Draw),
        3 => (0..5_usize, any::<bool>()).prop_map(|(who, commits)| Step::End { who, commits }),
        1 => (0..5_usize).prop_map(Step::Prepare),
        1 => (0..5_usize, any::<bool>()).prop_map(|(who, commits)| Step::EndPrepared { who, commits }),
        2 => Just(Step::Look),
        3 => (1..6_usize).prop_map(|limit| Step::Read { limit }),
    ]
}

impl Server {
    fn nth(map: &BTreeMap<String, Vec<u64>>, who: usize) -> Option<String> {
        map.keys().nth(who).cloned()
    }

    fn holders(&self) -> Holders {
        Holders {
            running: self.open.keys().cloned().collect(),
            prepared: self.prepared.keys().cloned().collect(),
        }
    }

    fn name(&mut self, of: &str) -> String {
        self.clock += 1;
        format!("{of}/{}", self.clock)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Draw(who) => {
                let name = Self::nth(&self.open, who);
                let name = name.unwrap_or_else(|| self.name("1"));
                self.drawn += 1;
                self.open.entry(name).or_default().push(self.drawn);
            }
            Step::End { who, commits } => {
                let numbers = Self::nth(&self.open, who).and_then(|name| self.open.remove(&name));
                self.visible
                    .extend(numbers.filter(|_| commits).into_iter().flatten());
            }
            Step::Prepare(who) => {
                if let Some(name) = Self::nth(&self.open, who) {
                    let numbers = self.open.remove(&name).unwrap_or_default();
                    let name = self.name("-1");
                    self.prepared.insert(name, numbers);
                }
            }
            Step::EndPrepared { who, commits } => {
                let name = Self::nth(&self.prepared, who);
                let numbers = name.and_then(|name| self.prepared.remove(&name));
                self.visible
                    .extend(numbers.filter(|_| commits).into_iter().flatten());
            }
            Step::Look | Step::Read { .. } => {}
        }
    }

    /// What the reader's statement sees.
    fn rows(&self, tracker: &Tracker, limit: usize) -> Vec<u64> {
        let (firsts, lasts) = tracker.gaps();
        let gaps: Vec<_> = firsts.into_iter().zip(lasts).collect();
        let is_asked = |number: u64| {
            let in_gap = |&(first, last): &(i64, i64)| (first..=last).contains(&(number as i64));
            number > tracker.last() || gaps.iter().any(in_gap)
        };
        let rows = self.visible.iter().copied();
        rows.filter(|&number| is_asked(number))
            .take(limit)
            .collect()
    }
}

struct Reader {
    tracker: Tracker,
    yielded: Vec<u64>,
}

impl Reader {
    fn read(&mut self, server: &Server, limit: usize) {
        let rows = server.rows(&self.tracker, limit);
        self.tracker.saw(&rows, rows.len() == limit);
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
    fn nothing_is_lost_or_twice_and_the_watermark_comes_to_the_end(steps in vec(step(), 0..120)) {
        let mut server = Server::default();
        let mut reader = Reader { tracker: Tracker::new(0), yielded: Vec::new() };
        for step in &steps {
            server.take(step);
            match *step {
                Step::Look => reader.tracker.look(&server.holders()),
                Step::Read { limit } => reader.read(&server, limit),
                _ => {}
            }
        }
        // All end, and then it comes to the last number that is there.
        while !server.open.is_empty() {
            server.take(&Step::End { who: 0, commits: true });
        }
        while !server.prepared.is_empty() {
            server.take(&Step::EndPrepared { who: 0, commits: false });
        }
        for _ in 0..200 {
            reader.tracker.look(&server.holders());
            reader.read(&server, 3);
        }
        let last = server.visible.last().copied().unwrap_or_default();
        prop_assert!(reader.tracker.watermark() >= last);
        prop_assert!(!reader.tracker.has_gaps());
    }
}

#[test]
fn ranges_that_meet_are_one() {
    let mut tracker = Tracker::new(10);
    assert!(!tracker.saw(&[13, 14, 17], false));
    assert_eq!(tracker.gaps(), (vec![11, 15], vec![12, 16]));
    assert!(!tracker.saw(&[12, 15, 16], false));
    assert_eq!(tracker.gaps(), (vec![11], vec![11]));
    assert!(tracker.saw(&[11], false));
    assert_eq!((tracker.watermark(), tracker.last()), (17, 17));
    assert!(!tracker.has_gaps());
}

#[test]
fn it_waits_at_a_gap_when_there_are_too_many() {
    let mut tracker = Tracker::new(0);
    let most = MOST as u64;
    for number in 1..=most {
        assert!(tracker.has_room());
        tracker.saw(&[number * 2], false);
    }
    assert!(!tracker.has_room());
    tracker.look(&Holders::default());
    assert!(tracker.saw(&[], false));
    assert_eq!(tracker.watermark(), most * 2);
    assert!(tracker.has_room());
}

#[test]
fn what_is_behind_the_cut_of_a_statement_is_not_passed() {
    let mut tracker = Tracker::new(0);
    tracker.saw(&[3, 6], false);
    tracker.look(&Holders::default());
    assert!(tracker.saw(&[1], true));
    assert_eq!(tracker.watermark(), 1);
    assert!(tracker.saw(&[5], false));
    assert_eq!(tracker.watermark(), 6);
}
