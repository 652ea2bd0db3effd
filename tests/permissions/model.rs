//! Compares what subscribers see with a model: a map of rows, a list of subscriptions, and the
//! table in `docs/protocol.md`.
//!
//! Each subscriber starts with the result of a GET and then applies only frames, even if it
//! disconnects for a while. After every step, it must hold what a GET would return.

mod subscriber;

use proptest::{collection::vec, prelude::*};
use rest_live::{Limits, Live, LiveTransaction, testing::Client};
use sea_orm::TransactionTrait;
use serde_json::json;

use self::subscriber::{Group, Subscriber};
use crate::{
    clients::{Dialect, dialects, users},
    entities::{Table, User},
    support::{Tables, assert_property},
    writes::{Change, Rows, Write, ids, lists, tables, writes},
};

/// The mark of every row that is never committed. No frame may contain it.
const ROLLED_BACK: &str = "ROLLEDBACK";

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    /// A transaction within another one is a savepoint.
    Transaction(Vec<Self>, End),
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
    Drop,
}

#[test]
fn subscribers_match_their_gets() {
    let cases = (vec((users(), dialects()), 1..=5), vec(steps(), 1..=40));
    assert_property(256, &cases, &async |tables, (subscribers, steps)| {
        let mut world = World::new(tables, &subscribers).await;
        for step in &steps {
            world.run_step(step).await;
        }
    });
}

fn steps() -> impl Strategy<Value = Step> {
    let groups = || prop_oneof![ids().prop_map(Group::Row), lists().prop_map(Group::List)];
    let subscribe = (any::<usize>(), tables(), groups(), 0..6u8);
    let step = prop_oneof![
        6 => writes().prop_map(Step::Write),
        3 => subscribe.prop_map(|(subscriber, table, group, id)| Step::Subscribe { subscriber, table, group, id }),
        1 => (any::<usize>(), any::<usize>())
            .prop_map(|(subscriber, subscription)| Step::Unsubscribe { subscriber, subscription }),
        1 => any::<usize>().prop_map(Step::Disconnect),
        1 => any::<usize>().prop_map(Step::Reconnect),
    ];
    let ends = || {
        prop_oneof![
            3 => Just(End::Commit),
            1 => Just(End::Rollback),
            1 => Just(End::Drop),
        ]
    };
    step.prop_recursive(2, 12, 6, move |step| {
        (vec(step, 0..=6), ends()).prop_map(|(steps, end)| Step::Transaction(steps, end))
    })
}

/// The application and its model.
struct World<'t> {
    tables: &'t Tables,
    live: Live<User>,
    /// The committed rows.
    rows: Rows,
    subscribers: Vec<Subscriber>,
    /// Keeps one subscription open, so that the dispatcher publishes writes at once.
    _witness: Client<User>,
    /// The number of writes so far. It makes the text of each write unique.
    writes: u32,
}

/// An open transaction.
struct OpenTransaction {
    rows: Rows,
    changes: Vec<Change>,
    /// Whether this transaction or one around it is going to be rolled back.
    is_rolled_back: bool,
}

impl<'t> World<'t> {
    async fn new(tables: &'t Tables, subscribers: &[(User, Dialect)]) -> Self {
        let live = tables.live(Limits::default());
        let subscribers = subscribers.iter();
        let witness = Client::connect(&live, User::Anonymous);
        let nothing = json!({"model": Table::Notice.label(), "pk": -1});
        witness.send_json(nothing).await;
        Self {
            tables,
            subscribers: subscribers
                .map(|(user, dialect)| Subscriber::new(&live, *user, *dialect))
                .collect(),
            live,
            _witness: witness,
            rows: Rows::new(),
            writes: 0,
        }
    }

    async fn run_step(&mut self, step: &Step) {
        let changes = match step {
            Step::Write(write) => {
                let write = self.with_mark(write, false);
                let changed = write.apply(&self.live.db(), &mut self.rows).await;
                changed.into_iter().collect()
            }
            Step::Transaction(steps, end) => {
                let transaction = self.live.db().begin().await.unwrap();
                let mut open = OpenTransaction {
                    rows: self.rows.clone(),
                    changes: Vec::new(),
                    is_rolled_back: *end != End::Commit,
                };
                Box::pin(self.run_steps_within(&transaction, &mut open, steps)).await;
                let is_committed = finish(transaction, *end).await;
                self.tables.wait_for_rollback().await;
                if is_committed {
                    self.rows = open.rows;
                    merge_by_row(open.changes)
                } else {
                    Vec::new()
                }
            }
            other => {
                self.run_subscriber_step(other).await;
                Vec::new()
            }
        };
        for subscriber in &mut self.subscribers {
            subscriber.receive_changes(&changes, &self.rows).await;
        }
    }

    async fn run_steps_within(
        &mut self,
        transaction: &LiveTransaction,
        open: &mut OpenTransaction,
        steps: &[Step],
    ) {
        for step in steps {
            match step {
                Step::Write(write) => {
                    let write = self.with_mark(write, open.is_rolled_back);
                    let changed = write.apply(transaction, &mut open.rows).await;
                    open.changes.extend(changed);
                }
                Step::Transaction(steps, end) => {
                    let savepoint = transaction.begin().await.unwrap();
                    let mut inner = OpenTransaction {
                        rows: open.rows.clone(),
                        changes: Vec::new(),
                        is_rolled_back: open.is_rolled_back || *end != End::Commit,
                    };
                    Box::pin(self.run_steps_within(&savepoint, &mut inner, steps)).await;
                    if finish(savepoint, *end).await {
                        open.rows = inner.rows;
                        open.changes.extend(inner.changes);
                    }
                }
                other => self.run_subscriber_step(other).await,
            }
        }
    }

    async fn run_subscriber_step(&mut self, step: &Step) {
        let count = self.subscribers.len();
        match step {
            Step::Subscribe {
                subscriber,
                table,
                group,
                id,
            } => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.subscribe(*table, *group, *id, &self.rows).await;
            }
            Step::Unsubscribe {
                subscriber,
                subscription,
            } => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.unsubscribe(*subscription, &self.rows).await;
            }
            Step::Disconnect(subscriber) => self.subscribers[subscriber % count].disconnect(),
            Step::Reconnect(subscriber) => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.reconnect(&self.live, &self.rows).await;
            }
            Step::Write(_) | Step::Transaction(..) => {
                unreachable!("a write is not a step of a subscriber")
            }
        }
    }

    fn with_mark(&mut self, write: &Write, is_rolled_back: bool) -> Write {
        self.writes += 1;
        let mark = if is_rolled_back { ROLLED_BACK } else { "" };
        write.with_mark(&format!("{mark}{} ", self.writes))
    }
}

/// Merges the changes of a transaction, as rest-live does for a model with a permission: a row
/// changes once, and the permission is not called with states from the middle of the transaction.
fn merge_by_row(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for mut change in changes {
        let earlier = merged
            .iter()
            .position(|c| (c.table, c.id) == (change.table, change.id));
        if let Some(index) = earlier.filter(|_| change.table != Table::Notice) {
            change.old = merged.remove(index).old;
        }
        merged.push(change);
    }
    merged.retain(|change| change.old.is_some() || change.new.is_some());
    merged
}

/// Ends the transaction, and returns whether its writes are kept.
async fn finish(transaction: LiveTransaction, end: End) -> bool {
    match end {
        End::Commit => transaction.commit().await.unwrap(),
        End::Rollback => transaction.rollback().await.unwrap(),
        End::Drop => drop(transaction),
    }
    end == End::Commit
}
