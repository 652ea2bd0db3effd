use futures_util::FutureExt;

use super::*;
use crate::data::key::KeyValue;

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) state: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) fn row(id: i32, state: i32) -> Row {
    Row::new(item::Model { id, state })
}

fn id(id: i32) -> RowId {
    RowId::new(
        ScopedModel::new("a.Item".into(), None),
        KeyValue::Integer(id.into()),
    )
}

/// Returns the event of a write that took a row from one state to another.
fn write(id: i32, states: [i32; 2]) -> Event {
    let (label, key) = ("a.Item".into(), KeyValue::Integer(id.into()));
    let [old, new] = states.map(|state| row(id, state));
    Event::updated(label, key, Some(old), new)
}

/// Returns the states that are published at once, and the rows to reread. A reset is -1.
fn decisions(admission: &Admission) -> (Vec<i32>, Vec<RowId>) {
    let states = admission
        .events
        .iter()
        .map(|ordered| match ordered.event.as_row() {
            Some(change) => state(change.new.as_ref().expect("a row")),
            None => -1,
        });
    (states.collect(), admission.rereads.clone())
}

pub(crate) fn state(row: &Row) -> i32 {
    row.downcast::<item::Model>().expect("an item").state
}

fn publish(order: &Order, interval: Interval, event: Event) -> (Vec<i32>, Vec<RowId>) {
    let admission = order.admit(vec![(event, Some(Arc::new(interval)))]);
    let decided = decisions(&admission);
    assert!(
        order
            .finish_append(admission.rows, &admission.resets)
            .is_empty()
    );
    decided
}

fn order() -> Arc<Order> {
    Order::new(Order::MAX_ROWS, usize::MAX)
}

#[test]
fn sequential_writes_are_published_and_forgotten() {
    let order = order();
    for n in 0..100 {
        let interval = order.begin();
        assert_eq!(
            publish(&order, interval, write(1, [n, n + 1])),
            (vec![n + 1], vec![])
        );
        assert!(order.state().rows.is_empty());
    }
    assert!(order.state().open.is_empty());
}

#[test]
fn second_overlapping_write_rereads_with_all_states() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    assert_eq!(publish(&order, second, write(1, [1, 2])), (vec![2], vec![]));
    assert_eq!(
        publish(&order, first, write(1, [2, 3])),
        (vec![], vec![id(1)])
    );
    let known_rows = order.begin_reread(&id(1)).expect("known");
    assert_eq!(
        known_rows.iter().map(state).collect::<Vec<_>>(),
        [1, 2, 2, 3]
    );
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 3))),
        RereadStatus::Done
    );
    assert!(order.state().rows.is_empty());
}

#[test]
fn reread_knows_of_a_creation() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    assert_eq!(publish(&order, second, write(1, [1, 2])), (vec![2], vec![]));
    let key = KeyValue::Integer(1);
    let created = Event::created("a.Item".into(), key, row(1, 1));
    assert_eq!(publish(&order, first, created), (vec![], vec![id(1)]));
    order.begin_reread(&id(1)).expect("known");
    assert!(order.take_creation(&id(1)));
    assert!(!order.take_creation(&id(1)), "the first reread covers it");
}

#[test]
fn rows_are_independent() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    assert_eq!(publish(&order, second, write(2, [1, 2])), (vec![2], vec![]));
    assert_eq!(publish(&order, first, write(1, [2, 3])), (vec![3], vec![]));
}

#[test]
fn write_during_an_append_waits_and_rereads() {
    let order = order();
    let first = order.begin();
    let admission = order.admit(vec![(write(1, [1, 2]), Some(Arc::new(first)))]);
    // The second write began after the first was admitted. A read now would overtake the first
    // write on its way to the log.
    let second = order.begin();
    assert_eq!(publish(&order, second, write(1, [2, 3])), (vec![], vec![]));
    assert_eq!(
        order.finish_append(admission.rows, &admission.resets),
        [id(1)],
        "to reread now"
    );
    let known_rows = order.begin_reread(&id(1)).expect("known");
    assert_eq!(
        known_rows.iter().map(state).collect::<Vec<_>>(),
        [1, 2, 2, 3]
    );
}

#[test]
fn write_during_a_reread_joins_and_repeats_it() {
    let order = order();
    let (first, second, third) = (order.begin(), order.begin(), order.begin());
    publish(&order, first, write(1, [1, 2]));
    assert_eq!(
        publish(&order, second, write(1, [2, 3])),
        (vec![], vec![id(1)])
    );
    order.begin_reread(&id(1)).expect("known");
    assert_eq!(publish(&order, third, write(1, [3, 4])), (vec![], vec![]));
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 3))),
        RereadStatus::Again
    );
    let known_rows = order.begin_reread(&id(1)).expect("known");
    assert_eq!(known_rows.iter().map(state).collect::<Vec<_>>(), [3, 3, 4]);
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 4))),
        RereadStatus::Done
    );
}

#[test]
fn write_from_before_a_reread_rereads_after_it() {
    let order = order();
    let (first, second, slow) = (order.begin(), order.begin(), order.begin());
    publish(&order, first, write(1, [1, 2]));
    publish(&order, second, write(1, [2, 3]));
    order.begin_reread(&id(1)).expect("known");
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 3))),
        RereadStatus::Done
    );
    assert_eq!(
        publish(&order, slow, write(1, [0, 1])),
        (vec![], vec![id(1)])
    );
    let known_rows = order.begin_reread(&id(1)).expect("known");
    assert_eq!(known_rows.iter().map(state).collect::<Vec<_>>(), [3, 0, 1]);
}

#[test]
fn events_of_a_unit_share_one_verdict_per_row() {
    let order = order();
    let (unit, other) = (Arc::new(order.begin()), order.begin());
    let events = [[1, 2], [2, 3]].map(|states| (write(1, states), Some(Arc::clone(&unit))));
    let admission = order.admit(events.into());
    assert_eq!(decisions(&admission), (vec![2, 3], vec![]));
    order.finish_append(admission.rows, &admission.resets);
    drop(unit);

    let late = Arc::new(other);
    let events = [[0, 1], [1, 9]].map(|states| (write(1, states), Some(Arc::clone(&late))));
    assert_eq!(
        decisions(&order.admit(events.into())),
        (vec![], vec![id(1)])
    );
    assert_eq!(order.begin_reread(&id(1)).expect("known").len(), 8);
}

#[test]
fn endless_write_uses_bounded_memory_then_resets() {
    let order = Order::new(1_000, usize::MAX);
    let forgotten = order.begin();
    for n in 0..10_000 {
        let interval = order.begin();
        assert_eq!(publish(&order, interval, write(n, [0, 1])).0, [1]);
        assert!(order.state().rows.len() < 2 * 1_000 + 64 + 2);
    }
    assert_eq!(
        publish(&order, forgotten, write(3, [0, 1])).0,
        [-1],
        "a reset"
    );
    let interval = order.begin();
    assert_eq!(publish(&order, interval, write(3, [1, 2])).0, [2]);
}

#[test]
fn too_many_states_of_a_row_are_forgotten() {
    let order = order();
    let intervals: Vec<_> = (0..200).map(|_| order.begin()).collect();
    for (n, interval) in intervals.into_iter().enumerate() {
        publish(&order, interval, write(1, [n as i32, n as i32 + 1]));
    }
    assert!(order.begin_reread(&id(1)).is_none());
    assert_eq!(order.finish_reread(&id(1), None), RereadStatus::Done);
    assert!(order.state().rows.is_empty());
}

/// Checks a model: writes take effect in one order and are published in any. A client that applies
/// what is published never goes back, and ends with the row.
#[test]
fn no_order_of_publishing_moves_a_row_back_in_time() {
    for seed in 0..2_000_u64 {
        let mut random = seed;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let order = order();
        // The state of the row is the number of its writes. Each state is a group of its own.
        let (mut now, mut shown, mut held) = (0, 0, vec![0]);
        // With the state that the write read at its beginning: another write may change it first.
        let mut begun: Vec<(Interval, i32)> = Vec::new();
        let mut done: Vec<(Interval, [i32; 2])> = Vec::new();
        let mut appending: Vec<(Admission, [i32; 2])> = Vec::new();
        let mut needs_reread = false;
        let mut steps = 0;
        loop {
            steps += 1;
            let is_over = steps > 60;
            match next(5) {
                0 if !is_over => begun.push((order.begin(), now)),
                1 if !begun.is_empty() => {
                    let (interval, old) = begun.swap_remove(next(begun.len()));
                    done.push((interval, [old, now + 1]));
                    now += 1;
                }
                2 if !done.is_empty() => {
                    let (interval, states) = done.swap_remove(next(done.len()));
                    let event = (write(1, states), Some(Arc::new(interval)));
                    let admission = order.admit(vec![event]);
                    needs_reread |= !admission.rereads.is_empty();
                    appending.push((admission, states));
                }
                3 if !appending.is_empty() => {
                    let (admission, states) = appending.swap_remove(next(appending.len()));
                    for state in decisions(&admission).0 {
                        assert!(state >= shown, "seed {seed}: {state} after {shown}");
                        shown = state;
                        held.retain(|held| *held != states[0]);
                        held.push(state);
                    }
                    needs_reread |= !order
                        .finish_append(admission.rows, &admission.resets)
                        .is_empty();
                }
                _ if needs_reread => {
                    let known_rows = order.begin_reread(&id(1)).expect("known");
                    assert!(now >= shown, "seed {seed}");
                    shown = now;
                    held.retain(|held| !known_rows.iter().any(|row| state(row) == *held));
                    held.push(now);
                    needs_reread =
                        order.finish_reread(&id(1), Some(row(1, now))) == RereadStatus::Again;
                }
                _ => {}
            }
            if is_over
                && begun.is_empty()
                && done.is_empty()
                && appending.is_empty()
                && !needs_reread
            {
                break;
            }
        }
        held.dedup();
        assert_eq!((shown, held), (now, vec![now]), "seed {seed}");
        assert!(order.state().rows.is_empty(), "seed {seed}");
    }
}

/// A write reads the old row, then another write moves the row, and a third publishes only its own
/// state. The old row of the first write is outdated then.
#[test]
fn open_write_may_have_an_outdated_old_row() {
    let order = order();
    let (slow, first) = (order.begin(), order.begin());
    assert_eq!(publish(&order, first, write(1, [2, 3])), (vec![3], vec![]));
    // The slow write takes effect now: 3 to 4.
    let second = order.begin();
    let stayed = Event::updated("a.Item".into(), KeyValue::Integer(1), None, row(1, 4));
    assert_eq!(publish(&order, second, stayed), (vec![4], vec![]));
    assert_eq!(
        publish(&order, slow, write(1, [2, 4])),
        (vec![], vec![id(1)])
    );
    let known_rows = order.begin_reread(&id(1)).expect("known");
    let known_rows: Vec<_> = known_rows.iter().map(state).collect();
    assert_eq!(
        known_rows,
        [2, 3, 4, 2, 4],
        "3 is among them because it was published"
    );
}

#[test]
fn write_from_before_a_reset_rereads_after_it() {
    let order = order();
    let (slow, other) = (order.begin(), order.begin());
    let appending = order.admit(vec![(write(2, [1, 2]), Some(Arc::new(other)))]);
    let reset = order.admit(vec![(Event::reset("a.Item".into()), None)]);
    assert!(order.finish_append(reset.rows, &reset.resets).is_empty());
    // Clients that fetched because of the reset may hold a newer row than these.
    assert_eq!(
        publish(&order, slow, write(1, [1, 2])),
        (vec![], vec![id(1)])
    );
    assert_eq!(
        order.finish_append(appending.rows, &appending.resets),
        [id(2)]
    );
    let later = order.begin();
    assert_eq!(publish(&order, later, write(3, [1, 2])), (vec![2], vec![]));
}

#[test]
fn unit_that_resets_its_model_rereads_no_own_row() {
    let order = order();
    let unit = Arc::new(order.begin());
    let events = vec![
        (write(1, [1, 2]), Some(Arc::clone(&unit))),
        (Event::reset("a.Item".into()), None),
        (write(2, [1, 2]), Some(unit)),
    ];
    let admission = order.admit(events);
    assert_eq!(decisions(&admission), (vec![2, -1, 2], vec![]));
    assert!(
        order
            .finish_append(admission.rows, &admission.resets)
            .is_empty()
    );
}

/// Returns a state that takes this number of bytes.
fn large(state: i32, bytes: usize) -> Row {
    Row::with_bytes(item::Model { id: 1, state }, bytes)
}

#[test]
fn large_states_are_forgotten_but_not_the_row() {
    let order = Order::new(Order::MAX_ROWS, 1000);
    let before = order.begin();
    let update = |state: i32, bytes| {
        let (label, key) = ("a.Item".into(), KeyValue::Integer(1));
        Event::updated(label, key, None, large(state, bytes))
    };
    assert_eq!(
        publish(&order, order.begin(), update(1, 2000)),
        (vec![1], vec![]),
        "it is published anyway"
    );
    assert!(!order.state().rows.is_empty(), "an open write may overlap");
    // The states that subscribers may hold are not known any more: the reread becomes a reset.
    assert_eq!(
        publish(&order, before, update(2, 10)),
        (vec![], vec![id(1)])
    );
    assert!(order.begin_reread(&id(1)).is_none());
    assert_eq!(order.finish_reread(&id(1), None), RereadStatus::Done);
    let before = order.begin();
    publish(&order, order.begin(), update(3, 10));
    publish(&order, before, update(4, 10));
    let known_rows = order.begin_reread(&id(1)).expect("small states are kept");
    assert_eq!(known_rows.iter().map(state).collect::<Vec<_>>(), [3, 4]);
}

/// Two writes of a row overlap, and a third arrives while the row is read again. A wait ends with
/// a read that began after the last write before the wait.
#[test]
fn late_appends_cover_the_last_write() {
    let order = order();
    let is_done = || order.late_appends().now_or_never().is_some();
    assert!(is_done());
    let (first, second) = (order.begin(), order.begin());
    publish(&order, first, write(1, [0, 1]));
    assert!(is_done());
    let admission = order.admit(vec![(write(1, [0, 2]), Some(Arc::new(second)))]);
    assert_eq!(decisions(&admission), (vec![], vec![id(1)]));
    let mut early = Box::pin(order.late_appends());
    assert!((&mut early).now_or_never().is_none());

    order.begin_reread(&id(1));
    let third = order.begin();
    let admission = order.admit(vec![(write(1, [2, 3]), Some(Arc::new(third)))]);
    assert_eq!(decisions(&admission), (vec![], vec![]));
    let mut late = Box::pin(order.late_appends());
    assert!((&mut late).now_or_never().is_none());
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 2))),
        RereadStatus::Again
    );
    assert!(early.now_or_never().is_some());
    assert!((&mut late).now_or_never().is_none());
    order.begin_reread(&id(1));
    assert_eq!(
        order.finish_reread(&id(1), Some(row(1, 3))),
        RereadStatus::Done
    );
    assert!(late.now_or_never().is_some() && is_done());
}

/// A write overlaps one that is being appended, so that the row is read again after the append.
#[test]
fn late_appends_cover_a_reread_that_has_not_begun() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    let appending = order.admit(vec![(write(1, [0, 1]), Some(Arc::new(first)))]);
    order.admit(vec![(write(1, [1, 2]), Some(Arc::new(second)))]);
    let mut waits = Box::pin(order.late_appends());
    assert!((&mut waits).now_or_never().is_none());
    let rereads = order.finish_append(appending.rows, &appending.resets);
    assert_eq!(rereads, [id(1)]);
    order.begin_reread(&id(1));
    assert!((&mut waits).now_or_never().is_none());
    order.finish_reread(&id(1), Some(row(1, 2)));
    assert!(waits.now_or_never().is_some());
}

#[test]
fn events_published_later_are_late() {
    let order = order();
    let late = order.begin_late_append();
    let mut waits = Box::pin(order.late_appends());
    assert!((&mut waits).now_or_never().is_none());
    drop(late);
    assert!(waits.now_or_never().is_some());
}
