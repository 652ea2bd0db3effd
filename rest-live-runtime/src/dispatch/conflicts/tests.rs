use super::*;
use crate::{
    data::{cursor::Epoch, key::KeyValue},
    publish::order::tests::{row, state},
};

fn overlaps(capacity: usize) -> ConflictDetector {
    ConflictDetector::new("here".into(), at(10), capacity)
}

fn at(position: u64) -> Cursor {
    Cursor {
        epoch: Epoch::named("now"),
        position,
    }
}

/// An event of a row, without its rows.
fn event(row: i128) -> Arc<Event> {
    let key = KeyValue::Integer(row);
    Arc::new(Event::reread("a.B".into(), key, Vec::new(), None))
}

fn of(node: &str, began: u64) -> EventSource {
    EventSource {
        node: Some(node.into()),
        began: Some(at(began)),
    }
}

impl ConflictDetector {
    fn decides(&mut self, position: u64, row: i128, origin: &EventSource) -> &'static str {
        match self.take(position, &event(row), origin) {
            Verdict::Publish => "told",
            Verdict::Withhold => "withheld",
            Verdict::Reread(..) => "settled",
        }
    }

    fn reset(&mut self, position: u64, origin: &EventSource) {
        let reset = Arc::new(Event::reset("a.B".into()));
        assert!(matches!(
            self.take(position, &reset, origin),
            Verdict::Publish
        ));
    }
}

#[test]
fn writes_one_after_the_other_are_told_by_whomever() {
    let mut log = overlaps(100);
    assert_eq!(log.decides(11, 1, &of("here", 10)), "told");
    assert_eq!(log.decides(12, 1, &of("there", 11)), "told");
    assert_eq!(log.decides(13, 1, &of("elsewhere", 12)), "told");
    // Its own node knows the order.
    assert_eq!(log.decides(14, 1, &of("elsewhere", 12)), "told");
    // Another row.
    assert_eq!(log.decides(15, 2, &of("here", 10)), "told");
}

#[test]
fn a_write_that_began_before_another_was_known_is_read_again_by_its_own_node() {
    let mut log = overlaps(100);
    assert_eq!(log.decides(11, 1, &of("there", 10)), "told");
    assert_eq!(log.decides(12, 1, &of("here", 10)), "settled");
    // What was told to nobody is in nobody's way.
    assert_eq!(log.decides(13, 1, &of("elsewhere", 11)), "told");
    // What was read again, after all that.
    assert_eq!(log.decides(14, 1, &of("here", 13)), "told");
    // And what was not.
    assert_eq!(log.decides(15, 1, &of("there", 13)), "withheld");
}

#[test]
fn what_began_before_another_nodes_reset_is_read_again() {
    let mut log = overlaps(100);
    log.reset(11, &of("there", 10));
    assert_eq!(log.decides(12, 1, &of("there", 10)), "told");
    assert_eq!(log.decides(13, 2, &of("here", 10)), "settled");
    assert_eq!(log.decides(14, 3, &of("here", 11)), "told");
}

#[test]
fn what_is_not_known_here_is_read_again_here() {
    let mut log = overlaps(3);
    assert_eq!(log.decides(11, 1, &of("there", 9)), "settled");
    let mut then = of("there", 11);
    then.began.as_mut().expect("it did").epoch = Epoch::named("then");
    assert_eq!(
        log.decides(11, 9, &then),
        "settled",
        "another life of the log"
    );
    assert_eq!(log.decides(12, 2, &of("there", 10)), "told");
    assert_eq!(log.decides(13, 3, &of("there", 10)), "told");
    // The first is forgotten.
    assert_eq!(log.decides(14, 1, &of("there", 10)), "settled");
    assert_eq!(log.rows.len(), 3);
    // A trigger writes in the order in which it is committed.
    assert_eq!(log.decides(15, 1, &EventSource::default()), "told");
}

#[test]
fn who_settles_knows_all_that_was_named_within() {
    let write = |old, new| {
        let key = KeyValue::Integer(1);
        Arc::new(Event::updated(
            "a.B".into(),
            key,
            Some(row(1, old)),
            row(1, new),
        ))
    };
    let mut log = overlaps(100);
    log.take(11, &write(0, 1), &of("there", 10));
    log.take(12, &write(1, 2), &of("there", 11));
    let verdict = log.take(13, &write(7, 8), &of("here", 11));
    let Verdict::Reread(_, named) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(named.iter().map(state).collect::<Vec<_>>(), [2, 7, 8]);
}
