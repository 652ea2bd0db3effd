//! What every [`EventLog`] does, as tests that each of them runs against its real server.
//!
//! The tests of a log say how a node opens it ([`Subject`]), and have [`tests!`](crate::contract_tests) write one test for
//! each property, which is a function here. Each test has a subject of its own.
//!
//! ```ignore
//! struct Memory(MemoryLog);
//!
//! impl Subject for Memory { .. }
//!
//! rest_live_runtime::contract_tests!(Memory::start());
//! ```

mod item;
mod watch;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, join_all};

pub use self::item::records;
use self::{
    item::{Said, of_each_kind, updated},
    watch::Watch,
};
use crate::{
    data::cursor::{Cursor, Epoch},
    log::{EventLog, ReadError, Record},
};

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A log under test, which nobody else uses.
pub trait Subject: Sync {
    /// Opens it as one more node does.
    fn open(&self) -> BoxFuture<'_, Arc<dyn EventLog>>;

    /// Has it forget everything that is in it now, as it does with what is old: by whatever means, also by appending what
    /// makes it old.
    fn trim(&self) -> BoxFuture<'_, ()>;
}

/// Writes one `#[tokio::test]` for each property of the contract. The argument is evaluated in each of them to a future,
/// whose output is the [`Subject`](crate::testing::contract::Subject).
#[macro_export]
macro_rules! contract_tests {
    ($start:expr) => {
        $crate::contract_tests! {
            $start;
            a_tail_begins_at_the_head
            every_node_is_told_everything_once
            units_are_not_torn
            rows_keep_their_order
            reading_says_what_the_tail_said
            reading_says_why_it_cannot
            a_tail_that_is_passed_is_reset
            tails_come_and_go
            what_a_node_leaves_behind_is_there
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

/// A tail begins where the log is, and what was before is not in it.
pub async fn a_tail_begins_at_the_head(subject: &dyn Subject) {
    let [log, other] = nodes(subject).await;
    let start = head(&*log).await;
    assert_eq!(Watch::begin(&*other).await.begin, start);
    append(&*log, records(1, 3)).await;
    let end = head(&*log).await;
    assert_eq!(end.epoch, start.epoch);
    assert_eq!(head(&*other).await, end);
    let mut watch = Watch::begin(&*other).await;
    assert_eq!(watch.begin, end);
    let later = vec![updated(1, 4)];
    let said = Said::of_records(&later);
    append(&*log, later).await;
    watch.until(1).await;
    assert_eq!(watch.said(), said);
}

/// Every tail of every node yields every event once, as it was.
pub async fn every_node_is_told_everything_once(subject: &dyn Subject) {
    let logs: [_; 2] = nodes(subject).await;
    let mut watches = [Watch::begin(&*logs[0]).await, Watch::begin(&*logs[1]).await];
    let mut said = Vec::new();
    for turn in 0..10 {
        let events = of_each_kind(turn);
        said.extend(Said::of_records(&events));
        append(&*logs[turn as usize % 2], events).await;
    }
    append(&*logs[0], Vec::new()).await;
    let end = head(&*logs[0]).await;
    for watch in &mut watches {
        watch.until(said.len()).await;
        assert_eq!(watch.said(), said);
        assert_eq!(watch.watermark, end);
    }
    assert_eq!(watches[0].sorted(), watches[1].sorted());
}

/// Events that are appended together are next to each other and in order, whoever else appends.
pub async fn units_are_not_torn(subject: &dyn Subject) {
    const UNITS: usize = 30;
    let logs: [_; 3] = nodes(subject).await;
    let mut watch = Watch::begin(&*logs[0]).await;
    let sizes = (0..UNITS).map(|unit| 1 + unit % 7);
    let units = sizes.clone().enumerate().map(|(unit, size)| {
        let events = records(unit as i32, size);
        append(&*logs[unit % logs.len()], events)
    });
    join_all(units).await;
    watch.until(sizes.clone().sum()).await;
    let mut states = watch.said().into_iter().map(|said| said.state());
    for _ in 0..UNITS {
        let (unit, first) = states.next().expect("one more unit");
        assert_eq!(first, 0, "a unit begins with its first event");
        let size = sizes.clone().nth(unit as usize).expect("one of the units");
        for state in 1..size {
            assert_eq!(states.next(), Some((unit, state as i32)));
        }
    }
}

/// What is appended of a row one after the other is told in that order, whoever else appends.
pub async fn rows_keep_their_order(subject: &dyn Subject) {
    const STATES: i32 = 50;
    let logs: [_; 3] = nodes(subject).await;
    let mut watches = [Watch::begin(&*logs[0]).await, Watch::begin(&*logs[2]).await];
    let writers = logs.iter().enumerate().flat_map(|(node, log)| {
        (0..2).map(move |writer| async move {
            for state in 0..STATES {
                append(&**log, vec![updated(2 * node as i32 + writer, state)]).await;
            }
        })
    });
    join_all(writers).await;
    for watch in &mut watches {
        watch.until(6 * STATES as usize).await;
        let mut states = [0; 6];
        for (_, said) in &watch.seen {
            let (row, state) = said.state();
            assert_eq!(states[row as usize], state, "of row {row}");
            states[row as usize] += 1;
        }
        assert_eq!(states, [STATES; 6]);
    }
}

/// Reading from any place says what a tail said behind it, in pages of any size.
pub async fn reading_says_what_the_tail_said(subject: &dyn Subject) {
    let [log, other] = nodes(subject).await;
    let mut watch = Watch::begin(&*log).await;
    for row in 0..3 {
        append(&*log, of_each_kind(row)).await;
    }
    watch.until(3 * of_each_kind(0).len()).await;
    let seen = watch.sorted();
    for from in 0..=seen.len() {
        let position = match from {
            0 => watch.begin.position,
            from => seen[from - 1].0,
        };
        for limit in [1, 4, seen.len(), 10_000] {
            let mut after = at(&watch.begin, position);
            let mut said = Vec::new();
            loop {
                let page = other.read(after.clone(), limit).await;
                let page = page.unwrap_or_else(|error| panic!("{after}: {error}"));
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after.position = last.position;
                said.extend(page.iter().map(|e| (e.position, Said::read(&e.event))));
            }
            assert_eq!(said, seen[from..], "{limit} at a time behind {position}");
        }
    }
}

/// A place of another epoch, one ahead of the log, and one behind which something is not kept are told apart.
pub async fn reading_says_why_it_cannot(subject: &dyn Subject) {
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
    let read = log.read(end.clone(), 10).await.expect("nothing is missing");
    let said = read.iter().map(|entry| Said::read(&entry.event));
    assert_eq!(said.collect::<Vec<_>>(), Said::of_records(&records(2, 2)));
    assert!(read.iter().all(|entry| entry.position > end.position));
}

/// A tail that is too slow for what is kept is reset: it never passes over what it has not yielded.
pub async fn a_tail_that_is_passed_is_reset(subject: &dyn Subject) {
    let [log] = nodes(subject).await;
    let mut watch = Watch::begin(&*log).await;
    append(&*log, records(1, 5)).await;
    subject.trim().await;
    append(&*log, records(2, 1)).await;
    while !watch.step().await {
        // A tail may have had something in its hands; but the first event is the first.
        let first = watch.sorted().first().map(|(_, said)| said.state());
        assert_eq!(first, Some((1, 0)), "events were passed over");
    }
    // Whatever of that is told again, what comes now is.
    append(&*log, records(3, 3)).await;
    let end = head(&*log).await;
    while watch.watermark.position < end.position {
        watch.step().await;
    }
    let said = watch.said();
    assert!(
        said.ends_with(&Said::of_records(&records(3, 3))),
        "{said:?}"
    );
}

/// Tails that are dropped, in whatever state, are in nobody's way.
pub async fn tails_come_and_go(subject: &dyn Subject) {
    let [log] = nodes(subject).await;
    let mut watch = Watch::begin(&*log).await;
    for turn in 0..20 {
        let unused = log.tail();
        let mut used = Watch::begin(&*log).await;
        append(&*log, vec![updated(1, turn)]).await;
        used.until(1).await;
        drop((unused, used));
    }
    watch.until(20).await;
}

/// What a node appended before it left is there, and the others go on.
pub async fn what_a_node_leaves_behind_is_there(subject: &dyn Subject) {
    let [log, leaving] = nodes(subject).await;
    let mut watch = Watch::begin(&*log).await;
    append(&*leaving, records(1, 3)).await;
    leaving.leave().await;
    drop(leaving);
    append(&*log, records(2, 1)).await;
    watch.until(4).await;
    let said = [records(1, 3), records(2, 1)].concat();
    assert_eq!(watch.said(), Said::of_records(&said));
}

async fn nodes<const N: usize>(subject: &dyn Subject) -> [Arc<dyn EventLog>; N] {
    let nodes = join_all((0..N).map(|_| subject.open())).await;
    nodes.try_into().expect("one each")
}

async fn head(log: &dyn EventLog) -> Cursor {
    log.head().await.expect("the log can be reached")
}

async fn append(log: &dyn EventLog, events: Vec<Record>) {
    let appended = log.append(events).await;
    appended.expect("the log can be reached");
}

fn at(epoch: &Cursor, position: u64) -> Cursor {
    Cursor {
        epoch: epoch.epoch.clone(),
        position,
    }
}
