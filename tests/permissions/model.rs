//! What subscribers see, against a model of it: a map of rows, a list of subscriptions, and the table
//! of PROTOCOL.md, section 4.
//!
//! Each subscriber starts with what a GET shows it and goes on by frames alone, also when it was away in between. Wherever a
//! step ends, it holds what a GET would show.

mod subscriber;

use proptest::{collection::vec, prelude::*};
use rest_live::{Limits, Live, LiveTransaction, testing::Client};
use sea_orm::TransactionTrait;
use serde_json::json;

use self::subscriber::{Group, Subscriber};
use crate::{
    clients::{Dialect, dialects, users},
    entities::{Table, User},
    support::{Tables, holds},
    writes::{Changed, Rows, Write, ids, lists, tables, writes},
};

/// What no frame may hold: it stands in every row that was never committed.
const ROLLED_BACK: &str = "ROLLEDBACK";

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    /// One in another is a savepoint.
    Transaction(Vec<Self>, End),
    Subscribe {
        who: usize,
        table: Table,
        group: Group,
        id: u8,
    },
    Unsubscribe {
        who: usize,
        which: usize,
    },
    Leave(usize),
    Return(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
    Drop,
}

#[test]
fn every_subscriber_holds_what_a_get_would_show_it() {
    let cases = (vec((users(), dialects()), 1..=5), vec(steps(), 1..=40));
    holds(256, &cases, &async |tables, (subscribers, steps)| {
        let mut world = World::new(tables, &subscribers).await;
        for step in &steps {
            world.take(step).await;
        }
    });
}

fn steps() -> impl Strategy<Value = Step> {
    let groups = || prop_oneof![ids().prop_map(Group::Row), lists().prop_map(Group::List)];
    let subscribe = (any::<usize>(), tables(), groups(), 0..6u8);
    let step = prop_oneof![
        6 => writes().prop_map(Step::Write),
        3 => subscribe.prop_map(|(who, table, group, id)| Step::Subscribe { who, table, group, id }),
        1 => (any::<usize>(), any::<usize>())
            .prop_map(|(who, which)| Step::Unsubscribe { who, which }),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Return),
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

/// The application, and the model of it.
struct World<'t> {
    tables: &'t Tables,
    live: Live<User>,
    /// What is committed.
    rows: Rows,
    subscribers: Vec<Subscriber>,
    /// Is subscribed to something: so what is written is handed out at once.
    _witness: Client<User>,
    /// How many writes there were: each has its own text.
    writes: u32,
}

/// A transaction that is open.
struct Open {
    rows: Rows,
    changes: Vec<Changed>,
    /// Whether it is rolled back, or one around it is.
    doomed: bool,
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

    async fn take(&mut self, step: &Step) {
        let changes = match step {
            Step::Write(write) => {
                let write = self.marked(write, false);
                let changed = write.carry_out(&self.live.db(), &mut self.rows).await;
                changed.into_iter().collect()
            }
            Step::Transaction(steps, end) => {
                let transaction = self.live.db().begin().await.unwrap();
                let mut open = Open {
                    rows: self.rows.clone(),
                    changes: Vec::new(),
                    doomed: *end != End::Commit,
                };
                Box::pin(self.take_within(&transaction, &mut open, steps)).await;
                let holds = finish(transaction, *end).await;
                self.tables.settle().await;
                if holds {
                    self.rows = open.rows;
                    folded(open.changes)
                } else {
                    Vec::new()
                }
            }
            other => {
                self.converse(other).await;
                Vec::new()
            }
        };
        for subscriber in &mut self.subscribers {
            subscriber.follow(&changes, &self.rows).await;
        }
    }

    async fn take_within(
        &mut self,
        transaction: &LiveTransaction,
        open: &mut Open,
        steps: &[Step],
    ) {
        for step in steps {
            match step {
                Step::Write(write) => {
                    let write = self.marked(write, open.doomed);
                    let changed = write.carry_out(transaction, &mut open.rows).await;
                    open.changes.extend(changed);
                }
                Step::Transaction(steps, end) => {
                    let savepoint = transaction.begin().await.unwrap();
                    let mut inner = Open {
                        rows: open.rows.clone(),
                        changes: Vec::new(),
                        doomed: open.doomed || *end != End::Commit,
                    };
                    Box::pin(self.take_within(&savepoint, &mut inner, steps)).await;
                    if finish(savepoint, *end).await {
                        open.rows = inner.rows;
                        open.changes.extend(inner.changes);
                    }
                }
                other => self.converse(other).await,
            }
        }
    }

    async fn converse(&mut self, step: &Step) {
        let most = self.subscribers.len();
        match step {
            Step::Subscribe {
                who,
                table,
                group,
                id,
            } => {
                let subscriber = &mut self.subscribers[who % most];
                subscriber.subscribe(*table, *group, *id, &self.rows).await;
            }
            Step::Unsubscribe { who, which } => {
                let subscriber = &mut self.subscribers[who % most];
                subscriber.unsubscribe(*which, &self.rows).await;
            }
            Step::Leave(who) => self.subscribers[who % most].leave(),
            Step::Return(who) => {
                let subscriber = &mut self.subscribers[who % most];
                subscriber.come_back(&self.live, &self.rows).await;
            }
            Step::Write(_) | Step::Transaction(..) => unreachable!("no conversation"),
        }
    }

    fn marked(&mut self, write: &Write, doomed: bool) -> Write {
        self.writes += 1;
        let mark = if doomed { ROLLED_BACK } else { "" };
        write.marked(&format!("{mark}{} ", self.writes))
    }
}

/// Where a permission decides, a transaction is one change of each row: nobody is asked about what a row
/// was in between.
fn folded(changes: Vec<Changed>) -> Vec<Changed> {
    let mut folded: Vec<Changed> = Vec::new();
    for mut change in changes {
        let earlier = folded
            .iter()
            .position(|c| (c.table, c.id) == (change.table, change.id));
        if let Some(place) = earlier.filter(|_| change.table != Table::Notice) {
            change.old = folded.remove(place).old;
        }
        folded.push(change);
    }
    folded.retain(|change| change.old.is_some() || change.new.is_some());
    folded
}

/// Returns whether what was written holds.
async fn finish(transaction: LiveTransaction, end: End) -> bool {
    match end {
        End::Commit => transaction.commit().await.unwrap(),
        End::Rollback => transaction.rollback().await.unwrap(),
        End::Drop => drop(transaction),
    }
    end == End::Commit
}
