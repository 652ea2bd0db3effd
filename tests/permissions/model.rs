//! Compares what subscribers see with a model: the rows after each commit, a list of subscriptions,
//! and the table in `docs/protocol.md`.
//!
//! Three servers share a database and an event log. Each step runs at a random one, and each
//! subscriber is connected to a random one. A subscriber starts with the result of a GET and then
//! applies only frames, even if it disconnects for a while, or does not read. After every step:
//!
//! - A subscriber that reads has received exactly the expected frames, and holds what a GET would
//!   return.
//! - A page in v1 that applies units as a whole shows the rows of one commit after each unit and
//!   after each message that stands alone. Commits never go back.

mod expected;
mod group;
mod page;
mod servers;
mod subscriber;
mod world;

use proptest::{collection::vec, prelude::*};

use self::{
    group::Group,
    servers::{SERVERS, Servers},
    world::World,
};
use crate::{
    clients::{dialects, users},
    entities::{Table, User},
    property::assert_property,
    writes::{Write, ids, levels, lists, tables, writes},
};

/// The mark of every row that is never committed. No frame may contain it.
const ROLLED_BACK: &str = "ROLLEDBACK";

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    /// A transaction within another one is a savepoint.
    Transaction(Vec<(usize, Self)>, End),
    Subscribe {
        subscriber: usize,
        table: Table,
        group: Group,
        id: u8,
    },
    Unsubscribe {
        subscriber: usize,
        subscription: usize,
    },
    Disconnect(usize),
    Reconnect(usize),
    /// The subscriber stops reading until its next step.
    Pause(usize),
    Read(usize),
    /// The subscriber authenticates as this user on its open connection.
    Refresh(usize, User),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
    Drop,
}

#[test]
fn subscribers_match_their_gets() {
    assert_model(256, Servers::on_memory());
}

#[test]
fn subscribers_match_their_gets_over_redis() {
    assert_model(96, Servers::on_redis());
}

#[test]
fn subscribers_match_their_gets_over_the_outbox() {
    assert_model(64, Servers::on_outbox());
}

#[test]
fn subscribers_match_their_gets_over_triggers() {
    assert_model(32, Servers::on_captured_outbox());
}

fn assert_model(cases: u32, servers: impl Future<Output = Servers>) {
    let subscribers = vec((users(), dialects(), 0..SERVERS), 1..=5);
    let steps = vec(steps(), 1..=40);
    assert_property(
        cases,
        &(subscribers, steps),
        servers,
        &async |servers: &Servers, (subscribers, steps)| {
            let mut world = World::new(servers, &subscribers).await;
            for step in &steps {
                world.run_step(step).await;
            }
            world.finish().await;
        },
    );
}

/// Steps, each with the server that it runs at.
fn steps() -> impl Strategy<Value = (usize, Step)> {
    let groups = || {
        prop_oneof![
            3 => ids().prop_map(Group::Row),
            3 => lists().prop_map(Group::List),
            2 => (lists(), levels()).prop_map(|(list, level)| Group::Level(list, level)),
            2 => Just(Group::All),
        ]
    };
    let subscribe = (any::<usize>(), tables(), groups(), 0..6u8);
    let step = prop_oneof![
        6 => writes().prop_map(Step::Write),
        3 => subscribe.prop_map(|(subscriber, table, group, id)| Step::Subscribe { subscriber, table, group, id }),
        1 => (any::<usize>(), any::<usize>())
            .prop_map(|(subscriber, subscription)| Step::Unsubscribe { subscriber, subscription }),
        1 => any::<usize>().prop_map(Step::Disconnect),
        1 => any::<usize>().prop_map(Step::Reconnect),
        1 => any::<usize>().prop_map(Step::Pause),
        1 => any::<usize>().prop_map(Step::Read),
        1 => (any::<usize>(), users()).prop_map(|(subscriber, user)| Step::Refresh(subscriber, user)),
    ];
    let step = (0..SERVERS, step);
    let ends = || {
        prop_oneof![
            3 => Just(End::Commit),
            1 => Just(End::Rollback),
            1 => Just(End::Drop),
        ]
    };
    step.prop_recursive(2, 12, 6, move |step| {
        let transaction = (vec(step, 0..=6), ends());
        let transaction = transaction.prop_map(|(steps, end)| Step::Transaction(steps, end));
        (0..SERVERS, transaction)
    })
}
