use super::*;
use crate::{
    data::{cursor::Epoch, key::KeyValue},
    publish::order::tests::{row, state},
};

fn detector(capacity: usize) -> ConflictDetector {
    ConflictDetector::new("here".into(), at(10), capacity, usize::MAX)
}

fn at(position: u64) -> Cursor {
    Cursor {
        epoch: Epoch::named("now"),
        position,
    }
}

/// Returns an event of a row, without its states.
fn event(row: i128) -> Arc<Event> {
    let key = KeyValue::Integer(row);
    Arc::new(Event::reread("a.B".into(), key, Vec::new(), None))
}

/// Returns the source of a write that began when its node had read the log up to a position.
fn source(node: &str, began: u64) -> EventSource {
    EventSource {
        node: Some(node.into()),
        began: Some(at(began)),
    }
}

impl ConflictDetector {
    fn verdict(&mut self, position: u64, row: i128, source: &EventSource) -> &'static str {
        match self.check(position, &event(row), source) {
            Verdict::Publish => "publish",
            Verdict::PublishAsUpdate => "publish as update",
            Verdict::Withhold(_) => "withhold",
            Verdict::Reread(_) => "reread",
        }
    }

    fn reset(&mut self, position: u64, source: &EventSource) {
        let reset = Arc::new(Event::reset("a.B".into()));
        assert!(matches!(
            self.check(position, &reset, source),
            Verdict::Publish
        ));
    }
}

#[test]
fn successive_writes_are_published() {
    let mut log = detector(100);
    assert_eq!(log.verdict(11, 1, &source("here", 10)), "publish");
    assert_eq!(log.verdict(12, 1, &source("there", 11)), "publish");
    assert_eq!(log.verdict(13, 1, &source("elsewhere", 12)), "publish");
    // A node knows the order of its own writes.
    assert_eq!(log.verdict(14, 1, &source("elsewhere", 12)), "publish");
    // Another row.
    assert_eq!(log.verdict(15, 2, &source("here", 10)), "publish");
}

#[test]
fn overlapping_write_is_reread_by_its_node() {
    let mut log = detector(100);
    assert_eq!(log.verdict(11, 1, &source("there", 10)), "publish");
    assert_eq!(log.verdict(12, 1, &source("here", 10)), "reread");
    // A withheld event conflicts with no other.
    assert_eq!(log.verdict(13, 1, &source("elsewhere", 11)), "publish");
    // The row as it was read again, after all these events.
    assert_eq!(log.verdict(14, 1, &source("here", 13)), "publish");
    // The other node's write overlaps with it.
    assert_eq!(log.verdict(15, 1, &source("there", 13)), "withhold");
}

#[test]
fn write_that_overlaps_with_a_reset_is_reread() {
    let mut log = detector(100);
    log.reset(11, &source("there", 10));
    assert_eq!(log.verdict(12, 1, &source("there", 10)), "publish");
    assert_eq!(log.verdict(13, 2, &source("here", 10)), "reread");
    assert_eq!(log.verdict(14, 3, &source("here", 11)), "publish");
}

#[test]
fn write_from_before_the_known_events_is_reread() {
    let mut log = detector(3);
    assert_eq!(log.verdict(11, 1, &source("there", 9)), "reread");
    let mut then = source("there", 11);
    then.began.as_mut().expect("a cursor").epoch = Epoch::named("then");
    assert_eq!(
        log.verdict(11, 9, &then),
        "reread",
        "another epoch of the log"
    );
    assert_eq!(log.verdict(12, 2, &source("there", 10)), "publish");
    assert_eq!(log.verdict(13, 3, &source("there", 10)), "publish");
    // The first event has been forgotten.
    assert_eq!(log.verdict(14, 1, &source("there", 10)), "reread");
    assert_eq!(log.rows.len(), 3);
    // A trigger appends in the order of the commits.
    assert_eq!(log.verdict(15, 1, &EventSource::default()), "publish");
}

#[test]
fn reread_knows_of_a_creation() {
    let created = Event::created("a.B".into(), KeyValue::Integer(1), row(1, 0));
    let created = Arc::new(created);
    let creates = |verdict| match verdict {
        Verdict::Withhold(reread) | Verdict::Reread(reread) => Some(reread.creates),
        Verdict::Publish | Verdict::PublishAsUpdate => None,
    };
    let mut log = detector(100);
    let first = log.check(11, &created, &source("there", 10));
    assert_eq!(creates(first), None);
    // It is published, so subscribers have the row.
    let second = log.check(12, &event(1), &source("here", 10));
    assert_eq!(creates(second), Some(false));
    let mut log = detector(100);
    log.check(11, &event(1), &source("there", 10));
    let withheld = log.check(12, &created, &source("elsewhere", 10));
    assert_eq!(creates(withheld), Some(true));
    // Its reread conflicts with this node's.
    let unknown = log.check(13, &event(1), &source("here", 9));
    assert_eq!(creates(unknown), Some(true));
}

#[test]
fn published_row_is_not_created_again() {
    let key = KeyValue::Integer(1);
    let created = Arc::new(Event::created("a.B".into(), key.clone(), row(1, 0)));
    let reread = |old| {
        let reread = Event::reread("a.B".into(), key.clone(), old, Some(row(1, 0)));
        Arc::new(reread.with_creation(true))
    };
    let again = reread(vec![row(1, 0)]);
    let mut log = detector(100);
    log.check(11, &created, &source("there", 10));
    // Another node had not read enough of the log to know that the row is published.
    let verdict = log.check(12, &again, &source("elsewhere", 11));
    assert!(matches!(verdict, Verdict::PublishAsUpdate), "{verdict:?}");
    // No node has published the row.
    let mut log = detector(100);
    let verdict = log.check(12, &again, &source("elsewhere", 11));
    assert!(matches!(verdict, Verdict::Publish), "{verdict:?}");
    // The row was deleted since.
    let mut log = detector(100);
    log.check(11, &created, &source("there", 10));
    log.check(12, &event(1), &source("there", 11));
    let verdict = log.check(13, &again, &source("elsewhere", 12));
    assert!(matches!(verdict, Verdict::Publish), "{verdict:?}");
}

#[test]
fn reread_lists_the_rows_that_subscribers_may_hold() {
    let write = |old, new| {
        let key = KeyValue::Integer(1);
        Arc::new(Event::updated(
            "a.B".into(),
            key,
            Some(row(1, old)),
            row(1, new),
        ))
    };
    let mut log = detector(100);
    log.check(11, &write(0, 1), &source("there", 10));
    log.check(12, &write(1, 2), &source("there", 11));
    let verdict = log.check(13, &write(7, 8), &source("here", 11));
    let Verdict::Reread(Reread {
        known_rows: rows, ..
    }) = verdict
    else {
        panic!("{verdict:?}")
    };
    assert_eq!(rows.iter().map(state).collect::<Vec<_>>(), [2, 7, 8]);
}

#[test]
fn bytes_bound_what_is_remembered() {
    let mut log = ConflictDetector::new("here".into(), at(10), 100, 3 * row(1, 1).bytes());
    let update = |state: i32| {
        let (label, key) = ("a.B".into(), KeyValue::Integer(state.into()));
        Arc::new(Event::updated(label, key, None, row(state, state)))
    };
    let started = source("here", 10);
    for position in 11..=16 {
        let event = update(position as i32);
        let began = source("here", position - 1);
        assert!(matches!(
            log.check(position, &event, &began),
            Verdict::Publish
        ));
    }
    assert_eq!((log.ring.len(), log.bytes), (3, 3 * row(1, 1).bytes()));
    // What came since the write began is not known any more, so the row is read again.
    assert!(matches!(
        log.check(17, &update(17), &started),
        Verdict::Reread(..)
    ));
    assert_eq!(log.verdict(18, 18, &source("here", 16)), "publish");
}
