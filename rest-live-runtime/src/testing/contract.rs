//! The contract suite: the properties of every [`EventLog`], as tests that run against its real
//! server.
//!
//! To test a log, implement [`Subject`] for it. [`contract_tests!`](crate::contract_tests) then
//! writes one test for each property. Each property is a function of this module, which panics if
//! the log does not have the property. Each test has a subject of its own.
//!
//! ```ignore
//! struct Memory(MemoryLog);
//!
//! impl Subject for Memory { .. }
//!
//! rest_live_runtime::contract_tests!(Memory::start());
//! ```

mod event_value;
mod item;
mod tail_checker;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, join_all};

pub use self::item::records;
use self::{
    event_value::EventValue,
    item::{one_of_each_kind, updated},
    tail_checker::{TailChecker, TailEvent},
};
use crate::{
    data::cursor::{Cursor, Epoch},
    log::{EventLog, Present, ReadError, Record},
};

/// How long a test waits for the next item of a tail.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// An event log under test. No other test uses it.
pub trait Subject: Sync {
    /// Opens the log as one more node.
    fn open(&self) -> BoxFuture<'_, Arc<dyn EventLog>>;

    /// Makes the log remove all events that are in it now, as it removes old events. To do so, the
    /// method may append further events.
    fn trim(&self) -> BoxFuture<'_, ()>;
}

/// Writes one `#[tokio::test]` for each property of the contract.
///
/// The argument is an expression that creates a future. Each test evaluates it and awaits the
/// future, whose output is the [`Subject`] of that test.
#[macro_export]
macro_rules! contract_tests {
    ($start:expr) => {
        $crate::contract_tests! {
            $start;
            tail_begins_at_the_head
            every_tail_yields_every_event_once
            appends_are_atomic
            append_is_one_unit
            rows_keep_their_order
            read_returns_what_a_tail_yields
            read_errors_are_distinct
            slow_tail_is_reset
            dropped_tails_affect_no_other_tail
            events_of_a_leaving_node_remain
            present_covers_what_was_appended
        }
    };
    ($start:expr; $($property:ident)*) => {
        $(
            #[::tokio::test]
            async fn $property() {
                let subject = $start.await;
                $crate::testing::contract::$property(&subject).await;
            }
        )*
    };
}

/// A tail begins at the head of the log, and does not yield earlier events.
pub async fn tail_begins_at_the_head(subject: &dyn Subject) {
    let [log, other] = nodes(subject).await;
    let start = head(&*log).await;
    assert_eq!(TailChecker::begin(&*other).await.begin, start);
    append(&*log, records(1, 3)).await;
    let end = head(&*log).await;
    assert_eq!(end.epoch, start.epoch);
    assert_eq!(head(&*other).await, end);
    let mut tail = TailChecker::begin(&*other).await;
    assert_eq!(tail.begin, end);
    let later = vec![updated(1, 4)];
    let expected = EventValue::from_records(&later);
    append(&*log, later).await;
    tail.wait_for_events(1).await;
    assert_eq!(tail.sorted_events(), expected);
}

/// Every tail of every node yields every event once and unchanged.
pub async fn every_tail_yields_every_event_once(subject: &dyn Subject) {
    let logs: [_; 2] = nodes(subject).await;
    let mut tails = [
        TailChecker::begin(&*logs[0]).await,
        TailChecker::begin(&*logs[1]).await,
    ];
    let mut expected = Vec::new();
    for row in 0..10 {
        let events = one_of_each_kind(row);
        expected.extend(EventValue::from_records(&events));
        append(&*logs[row as usize % 2], events).await;
    }
    append(&*logs[0], Vec::new()).await;
    let end = head(&*logs[0]).await;
    for tail in &mut tails {
        tail.wait_for_events(expected.len()).await;
        assert_eq!(tail.sorted_events(), expected);
        assert_eq!(tail.watermark, end);
    }
    assert_eq!(tails[0].sorted(), tails[1].sorted());
}

/// Events that are appended together stay adjacent and in order, although other nodes also append.
pub async fn appends_are_atomic(subject: &dyn Subject) {
    const APPENDS: usize = 30;
    let logs: [_; 3] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*logs[0]).await;
    let sizes = (0..APPENDS).map(|number| 1 + number % 7);
    let appends = sizes.clone().enumerate().map(|(number, size)| {
        let events = records(number as i32, size);
        append(&*logs[number % logs.len()], events)
    });
    join_all(appends).await;
    tail.wait_for_events(sizes.clone().sum()).await;
    let mut states = tail
        .sorted_events()
        .into_iter()
        .map(|event| event.row_and_state());
    for _ in 0..APPENDS {
        let (id, first) = states.next().expect("the events of one more append");
        assert_eq!(first, 0, "an append begins with its first event");
        let size = sizes
            .clone()
            .nth(id as usize)
            .expect("the id is that of an append");
        for state in 1..size {
            assert_eq!(states.next(), Some((id, state as i32)));
        }
    }
}

/// Events that are appended together are one unit, which a tail yields in one item, also if it is
/// larger than what the log reads at once. Other appends are other units.
pub async fn append_is_one_unit(subject: &dyn Subject) {
    const APPENDS: usize = 31;
    const SIZE: usize = 97;
    let logs: [_; 3] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*logs[0]).await;
    let appends = (0..APPENDS)
        .map(|number| append(&*logs[number % logs.len()], records(number as i32, SIZE)));
    join_all(appends).await;
    tail.wait_for_events(APPENDS * SIZE).await;
    let mut units: HashMap<u64, Vec<&TailEvent>> = HashMap::new();
    for event in &tail.events {
        units.entry(event.unit).or_default().push(event);
    }
    assert_eq!(units.len(), APPENDS, "one unit for each append");
    for (unit, events) in &units {
        let first = events[0];
        let (row, _) = first.event.row_and_state();
        assert_eq!(events.len(), SIZE, "unit {unit}");
        for event in events {
            assert_eq!(event.event.row_and_state().0, row, "unit {unit}");
            assert_eq!(event.item, first.item, "unit {unit} is in one item");
        }
    }
    let read = logs[1].read(tail.begin.clone(), APPENDS * SIZE).await;
    let read = read.expect("no event was removed").into_iter();
    let mut yielded: Vec<_> = tail.events.iter().map(|e| (e.position, e.unit)).collect();
    yielded.sort_unstable();
    assert!(read.map(|entry| (entry.position, entry.unit)).eq(yielded));
}

/// Events of one row are yielded in the order of their appends, although other nodes also append.
pub async fn rows_keep_their_order(subject: &dyn Subject) {
    const STATES: i32 = 50;
    let logs: [_; 3] = nodes(subject).await;
    let mut tails = [
        TailChecker::begin(&*logs[0]).await,
        TailChecker::begin(&*logs[2]).await,
    ];
    let writers = logs.iter().enumerate().flat_map(|(node, log)| {
        (0..2).map(move |writer| async move {
            for state in 0..STATES {
                append(&**log, vec![updated(2 * node as i32 + writer, state)]).await;
            }
        })
    });
    join_all(writers).await;
    for tail in &mut tails {
        tail.wait_for_events(6 * STATES as usize).await;
        let mut states = [0; 6];
        for TailEvent { event, .. } in &tail.events {
            let (row, state) = event.row_and_state();
            assert_eq!(states[row as usize], state, "the order of row {row}");
            states[row as usize] += 1;
        }
        assert_eq!(states, [STATES; 6]);
    }
}

/// A read after any position returns the events that a tail yields after it, in pages of any size.
pub async fn read_returns_what_a_tail_yields(subject: &dyn Subject) {
    let [log, other] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*log).await;
    for row in 0..3 {
        append(&*log, one_of_each_kind(row)).await;
    }
    tail.wait_for_events(3 * one_of_each_kind(0).len()).await;
    let expected = tail.sorted();
    for from in 0..=expected.len() {
        let position = match from {
            0 => tail.begin.position,
            from => expected[from - 1].0,
        };
        for limit in [1, 4, expected.len(), 10_000] {
            let mut after = at(&tail.begin, position);
            let mut read = Vec::new();
            loop {
                let page = other.read(after.clone(), limit).await;
                let page = page.unwrap_or_else(|error| panic!("{after}: {error}"));
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after.position = last.position;
                read.extend(
                    page.iter()
                        .map(|e| (e.position, EventValue::from_logged(&e.event))),
                );
            }
            assert_eq!(read, expected[from..], "pages of {limit} after {position}");
        }
    }
}

/// A read fails with a distinct error for a cursor of another epoch, a cursor ahead of the log, and
/// a cursor after which events were removed.
pub async fn read_errors_are_distinct(subject: &dyn Subject) {
    let [log] = nodes(subject).await;
    let start = head(&*log).await;
    append(&*log, records(1, 5)).await;
    let end = head(&*log).await;
    let foreign = Cursor {
        epoch: Epoch::random(),
        ..end.clone()
    };
    assert!(matches!(log.read(foreign, 10).await, Err(ReadError::Epoch)));
    for ahead in [end.position + 1, end.position + 1000, u64::MAX] {
        let read = log.read(at(&end, ahead), 10).await;
        assert!(matches!(read, Err(ReadError::Ahead)), "{ahead}: {read:?}");
    }
    subject.trim().await;
    for limit in [1, 1000] {
        let read = log.read(start.clone(), limit).await;
        assert!(matches!(read, Err(ReadError::Expired)), "{read:?}");
    }
    let end = head(&*log).await;
    let read = log.read(end.clone(), 10).await;
    assert!(matches!(read.as_deref(), Ok([])), "{read:?}");
    append(&*log, records(2, 2)).await;
    let read = log
        .read(end.clone(), 10)
        .await
        .expect("no event was removed");
    let events = read
        .iter()
        .map(|entry| EventValue::from_logged(&entry.event));
    assert_eq!(
        events.collect::<Vec<_>>(),
        EventValue::from_records(&records(2, 2))
    );
    assert!(read.iter().all(|entry| entry.position > end.position));
}

/// If the log removes events that a tail has not yielded, the tail yields a reset. It never skips
/// an event silently.
pub async fn slow_tail_is_reset(subject: &dyn Subject) {
    let [log] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*log).await;
    append(&*log, records(1, 5)).await;
    subject.trim().await;
    append(&*log, records(2, 1)).await;
    while !tail.step().await {
        // The tail may have received some events before they were removed, beginning with the
        // first.
        let first = tail
            .sorted()
            .first()
            .map(|(_, event)| event.row_and_state());
        assert_eq!(first, Some((1, 0)), "the tail skipped events");
    }
    // The tail may yield some of these events again after the reset, but must yield the next ones.
    append(&*log, records(3, 3)).await;
    let end = head(&*log).await;
    while tail.watermark.position < end.position {
        tail.step().await;
    }
    let events = tail.sorted_events();
    assert!(
        events.ends_with(&EventValue::from_records(&records(3, 3))),
        "{events:?}"
    );
}

/// A tail that is dropped, in any state, does not affect other tails.
pub async fn dropped_tails_affect_no_other_tail(subject: &dyn Subject) {
    let [log] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*log).await;
    for state in 0..20 {
        let unused = log.tail();
        let mut used = TailChecker::begin(&*log).await;
        append(&*log, vec![updated(1, state)]).await;
        used.wait_for_events(1).await;
        drop((unused, used));
    }
    tail.wait_for_events(20).await;
}

/// The events of a node that leaves stay in the log, and the other nodes continue.
pub async fn events_of_a_leaving_node_remain(subject: &dyn Subject) {
    let [log, leaving] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*log).await;
    append(&*leaving, records(1, 3)).await;
    leaving.leave().await;
    drop(leaving);
    append(&*log, records(2, 1)).await;
    tail.wait_for_events(4).await;
    let expected = [records(1, 3), records(2, 1)].concat();
    assert_eq!(tail.sorted_events(), EventValue::from_records(&expected));
}

/// When a tail reaches the present of its log, it has yielded everything that any node appended
/// before. The node that appended knows a cursor at or after its events.
pub async fn present_covers_what_was_appended(subject: &dyn Subject) {
    let [log, other] = nodes(subject).await;
    let mut tail = TailChecker::begin(&*other).await;
    for row in 1..=5 {
        append(&*log, records(row, 2)).await;
        let appended = log.appended().await.expect("the log is reachable");
        let present = other.present().await.expect("the log is reachable");
        let is_reached = |tail: &TailChecker| match &present {
            Present::Position(head) => tail.watermark.position >= head.position,
            Present::Moment(moment) => tail.as_of >= Some(*moment),
        };
        while !is_reached(&tail) {
            assert!(!tail.step().await, "no event was lost");
        }
        assert_eq!(tail.events.len(), 2 * row as usize);
        assert_eq!(appended.epoch, tail.begin.epoch);
        let positions = tail.events.iter().map(|event| event.position);
        assert!(positions.max() <= Some(appended.position));
    }
}

async fn nodes<const N: usize>(subject: &dyn Subject) -> [Arc<dyn EventLog>; N] {
    let nodes = join_all((0..N).map(|_| subject.open())).await;
    nodes.try_into().expect("N nodes were opened")
}

async fn head(log: &dyn EventLog) -> Cursor {
    log.head().await.expect("the log is reachable")
}

async fn append(log: &dyn EventLog, events: Vec<Record>) {
    let appended = log.append(events).await;
    appended.expect("the log is reachable");
}

/// Returns the cursor of a position in the epoch of `cursor`.
fn at(cursor: &Cursor, position: u64) -> Cursor {
    Cursor {
        epoch: cursor.epoch.clone(),
        position,
    }
}
