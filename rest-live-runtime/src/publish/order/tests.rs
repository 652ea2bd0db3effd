use super::*;

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
    ("a.Item".into(), KeyValue::Integer(id.into()))
}

/// A write that took a row from one state to another.
fn write(id: i32, states: [i32; 2]) -> Event {
    let (label, key) = ("a.Item".into(), KeyValue::Integer(id.into()));
    let [old, new] = states.map(|state| row(id, state));
    Event::updated(label, key, Some(old), new)
}

/// What is told at once, and the rows that are to be settled.
fn told(admitted: &Admission) -> (Vec<i32>, Vec<RowId>) {
    let states = admitted
        .events
        .iter()
        .map(|tells| match tells.event.as_row() {
            Some(change) => state(change.new.as_ref().expect("a row")),
            None => -1,
        });
    (states.collect(), admitted.unsettled.clone())
}

pub(crate) fn state(row: &Row) -> i32 {
    row.downcast::<item::Model>().expect("an item").state
}

fn publish(order: &Order, interval: Interval, event: Event) -> (Vec<i32>, Vec<RowId>) {
    let admitted = order.admit(vec![(event, Some(Arc::new(interval)))]);
    let told = told(&admitted);
    assert!(order.told(admitted.rows, &admitted.resets).is_empty());
    told
}

fn order() -> Arc<Order> {
    Order::new(Order::MOST_ROWS)
}

#[test]
fn writes_one_after_the_other_are_told_as_they_are_and_leave_nothing() {
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
fn the_first_of_two_that_overlap_is_told_and_the_second_is_settled_with_all_that_was_named() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    assert_eq!(publish(&order, second, write(1, [1, 2])), (vec![2], vec![]));
    assert_eq!(
        publish(&order, first, write(1, [2, 3])),
        (vec![], vec![id(1)])
    );
    let named = order.settling(&id(1)).expect("known");
    assert_eq!(named.iter().map(state).collect::<Vec<_>>(), [1, 2, 2, 3]);
    assert_eq!(order.settled(&id(1), Some(row(1, 3))), Next::Done);
    assert!(order.state().rows.is_empty());
}

#[test]
fn other_rows_do_not_matter() {
    let order = order();
    let (first, second) = (order.begin(), order.begin());
    assert_eq!(publish(&order, second, write(2, [1, 2])), (vec![2], vec![]));
    assert_eq!(publish(&order, first, write(1, [2, 3])), (vec![3], vec![]));
}

#[test]
fn what_is_being_appended_counts_as_told_within() {
    let order = order();
    let first = order.begin();
    let admitted = order.admit(vec![(write(1, [1, 2]), Some(Arc::new(first)))]);
    // It began after the other was admitted. What is read would overtake the other on its way to the log.
    let second = order.begin();
    assert_eq!(publish(&order, second, write(1, [2, 3])), (vec![], vec![]));
    assert_eq!(
        order.told(admitted.rows, &admitted.resets),
        [id(1)],
        "to be settled now"
    );
    let named = order.settling(&id(1)).expect("known");
    assert_eq!(named.iter().map(state).collect::<Vec<_>>(), [1, 2, 2, 3]);
}

#[test]
fn what_comes_while_a_row_is_settled_joins_and_has_it_read_again() {
    let order = order();
    let (first, second, third) = (order.begin(), order.begin(), order.begin());
    publish(&order, first, write(1, [1, 2]));
    assert_eq!(
        publish(&order, second, write(1, [2, 3])),
        (vec![], vec![id(1)])
    );
    order.settling(&id(1)).expect("known");
    assert_eq!(publish(&order, third, write(1, [3, 4])), (vec![], vec![]));
    assert_eq!(order.settled(&id(1), Some(row(1, 3))), Next::Again);
    let named = order.settling(&id(1)).expect("known");
    assert_eq!(named.iter().map(state).collect::<Vec<_>>(), [3, 3, 4]);
    assert_eq!(order.settled(&id(1), Some(row(1, 4))), Next::Done);
}

#[test]
fn a_write_that_began_before_a_row_was_settled_is_settled_after() {
    let order = order();
    let (first, second, slow) = (order.begin(), order.begin(), order.begin());
    publish(&order, first, write(1, [1, 2]));
    publish(&order, second, write(1, [2, 3]));
    order.settling(&id(1)).expect("known");
    assert_eq!(order.settled(&id(1), Some(row(1, 3))), Next::Done);
    assert_eq!(
        publish(&order, slow, write(1, [0, 1])),
        (vec![], vec![id(1)])
    );
    let named = order.settling(&id(1)).expect("known");
    assert_eq!(named.iter().map(state).collect::<Vec<_>>(), [3, 0, 1]);
}

#[test]
fn all_that_a_unit_did_to_a_row_stays_together() {
    let order = order();
    let (unit, other) = (Arc::new(order.begin()), order.begin());
    let events = [[1, 2], [2, 3]].map(|states| (write(1, states), Some(Arc::clone(&unit))));
    let admitted = order.admit(events.into());
    assert_eq!(told(&admitted), (vec![2, 3], vec![]));
    order.told(admitted.rows, &admitted.resets);
    drop(unit);

    let late = Arc::new(other);
    let events = [[0, 1], [1, 9]].map(|states| (write(1, states), Some(Arc::clone(&late))));
    assert_eq!(told(&order.admit(events.into())), (vec![], vec![id(1)]));
    assert_eq!(order.settling(&id(1)).expect("known").len(), 8);
}

#[test]
fn a_write_that_does_not_end_costs_bounded_memory_and_is_told_by_a_reset() {
    let order = Order::new(1_000);
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
fn too_many_states_of_one_row_are_told_by_a_reset() {
    let order = order();
    let intervals: Vec<_> = (0..200).map(|_| order.begin()).collect();
    for (n, interval) in intervals.into_iter().enumerate() {
        publish(&order, interval, write(1, [n as i32, n as i32 + 1]));
    }
    assert!(order.settling(&id(1)).is_none());
    assert_eq!(order.settled(&id(1), None), Next::Done);
    assert!(order.state().rows.is_empty());
}

/// A model of it: writes take effect in one order and are published in any. Whoever applies what is told
/// never goes back, and ends with the row.
#[test]
fn whatever_the_order_of_publishing_nobody_goes_back_in_time() {
    for seed in 0..2_000_u64 {
        let mut random = seed;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let order = order();
        // The row's state counts its writes; groups are states.
        let (mut now, mut shown, mut held) = (0, 0, vec![0]);
        // With the row as it was found then: another may write it before this does.
        let mut begun: Vec<(Interval, i32)> = Vec::new();
        let mut done: Vec<(Interval, [i32; 2])> = Vec::new();
        let mut appending: Vec<(Admission, [i32; 2])> = Vec::new();
        let mut unsettled = false;
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
                    let admitted = order.admit(vec![event]);
                    unsettled |= !admitted.unsettled.is_empty();
                    appending.push((admitted, states));
                }
                3 if !appending.is_empty() => {
                    let (admitted, states) = appending.swap_remove(next(appending.len()));
                    for state in told(&admitted).0 {
                        assert!(state >= shown, "seed {seed}: {state} after {shown}");
                        shown = state;
                        held.retain(|held| *held != states[0]);
                        held.push(state);
                    }
                    unsettled |= !order.told(admitted.rows, &admitted.resets).is_empty();
                }
                _ if unsettled => {
                    let named = order.settling(&id(1)).expect("known");
                    assert!(now >= shown, "seed {seed}");
                    shown = now;
                    held.retain(|held| !named.iter().any(|row| state(row) == *held));
                    held.push(now);
                    unsettled = order.settled(&id(1), Some(row(1, now))) == Next::Again;
                }
                _ => {}
            }
            if is_over && begun.is_empty() && done.is_empty() && appending.is_empty() && !unsettled
            {
                break;
            }
        }
        held.dedup();
        assert_eq!((shown, held), (now, vec![now]), "seed {seed}");
        assert!(order.state().rows.is_empty(), "seed {seed}");
    }
}

/// What a write found before is no longer what the row is, for another has moved it since; and a third has told of the row
/// in the meantime, as of its own state only.
#[test]
fn a_write_that_is_under_way_does_not_know_where_the_row_was() {
    let order = order();
    let (slow, first) = (order.begin(), order.begin());
    assert_eq!(publish(&order, first, write(1, [2, 3])), (vec![3], vec![]));
    // The slow one writes now: 3 to 4.
    let second = order.begin();
    let stayed = Event::updated("a.Item".into(), KeyValue::Integer(1), None, row(1, 4));
    assert_eq!(publish(&order, second, stayed), (vec![4], vec![]));
    assert_eq!(
        publish(&order, slow, write(1, [2, 4])),
        (vec![], vec![id(1)])
    );
    let named = order.settling(&id(1)).expect("known");
    let named: Vec<_> = named.iter().map(state).collect();
    assert_eq!(named, [2, 3, 4, 2, 4], "3 among them: it was told");
}

#[test]
fn what_began_before_a_reset_is_settled_after_it() {
    let order = order();
    let (slow, other) = (order.begin(), order.begin());
    let appending = order.admit(vec![(write(2, [1, 2]), Some(Arc::new(other)))]);
    let reset = order.admit(vec![(Event::reset("a.Item".into()), None)]);
    assert!(order.told(reset.rows, &reset.resets).is_empty());
    // Who fetched because of it may hold a newer row than these.
    assert_eq!(
        publish(&order, slow, write(1, [1, 2])),
        (vec![], vec![id(1)])
    );
    assert_eq!(order.told(appending.rows, &appending.resets), [id(2)]);
    let later = order.begin();
    assert_eq!(publish(&order, later, write(3, [1, 2])), (vec![2], vec![]));
}

#[test]
fn a_unit_that_resets_its_own_model_settles_none_of_its_rows() {
    let order = order();
    let unit = Arc::new(order.begin());
    let events = vec![
        (write(1, [1, 2]), Some(Arc::clone(&unit))),
        (Event::reset("a.Item".into()), None),
        (write(2, [1, 2]), Some(unit)),
    ];
    let admitted = order.admit(events);
    assert_eq!(told(&admitted), (vec![2, -1, 2], vec![]));
    assert!(order.told(admitted.rows, &admitted.resets).is_empty());
}
