//! The application, and a model of it in memory.

use rest_live::{Live, LiveTransaction, testing::Client};
use sea_orm::TransactionTrait;
use serde_json::json;

use super::{
    End, ROLLED_BACK, Step,
    servers::{SERVERS, Servers},
    subscriber::Subscriber,
};
use crate::{
    clients::Dialect,
    entities::{Table, User},
    writes::{Change, Rows, Write},
};

pub struct World<'s> {
    servers: &'s Servers,
    lives: Vec<Live<User>>,
    /// The rows after each commit. The first element is empty.
    commits: Vec<Rows>,
    subscribers: Vec<Subscriber>,
    /// Keeps one subscription open on each server, so that it reads the log at once.
    witnesses: Vec<Client<User>>,
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

impl<'s> World<'s> {
    /// Begins with empty tables. Each subscriber connects to the server with its number.
    pub async fn new(servers: &'s Servers, subscribers: &[(User, Dialect, usize)]) -> Self {
        let lives = servers.begin_case().await;
        let mut witnesses = Vec::new();
        for live in &lives {
            let witness = Client::connect(live, User::Anonymous);
            let nothing = json!({"model": Table::Notice.label(), "pk": -1});
            witness.send_json(nothing).await;
            witnesses.push(witness);
        }
        let subscribers = subscribers.iter();
        let subscribers = subscribers
            .map(|(user, dialect, server)| Subscriber::new(&lives[*server], *user, *dialect));
        Self {
            servers,
            subscribers: subscribers.collect(),
            lives,
            witnesses,
            commits: vec![Rows::new()],
            writes: 0,
        }
    }

    /// Runs a step at a server, and lets the subscribers receive what it causes.
    pub async fn run_step(&mut self, (server, step): &(usize, Step)) {
        let db = self.lives[server % SERVERS].db();
        let mut rows = self.commits.last().unwrap().clone();
        let changes = match step {
            Step::Write(write) => {
                let write = self.with_mark(write, false);
                let changed = write.apply(&db, &mut rows).await;
                self.merge_by_row(changed.into_iter().collect())
            }
            Step::Transaction(steps, end) => {
                let transaction = db.begin().await.unwrap();
                let mut open = OpenTransaction {
                    rows: rows.clone(),
                    changes: Vec::new(),
                    is_rolled_back: *end != End::Commit,
                };
                Box::pin(self.run_steps_within(&transaction, &mut open, steps)).await;
                let is_committed = finish(transaction, *end).await;
                self.servers.tables.wait_for_rollback().await;
                if is_committed {
                    rows = open.rows;
                    self.merge_by_row(open.changes)
                } else {
                    Vec::new()
                }
            }
            other => {
                self.run_subscriber_step(*server, other).await;
                Vec::new()
            }
        };
        self.commits.push(rows);
        // A server without a subscriber has read the log by the next step, which may subscribe.
        for witness in &mut self.witnesses {
            witness.receive_nothing().await;
        }
        for subscriber in &mut self.subscribers {
            let changes = changes.clone();
            subscriber.receive_commit(changes, &self.commits).await;
        }
    }

    /// Ends with subscribers that read everything.
    pub async fn finish(mut self) {
        for subscriber in &mut self.subscribers {
            subscriber.resume_reading(&self.commits).await;
        }
    }

    async fn run_steps_within(
        &mut self,
        transaction: &LiveTransaction,
        open: &mut OpenTransaction,
        steps: &[(usize, Step)],
    ) {
        for (server, step) in steps {
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
                other => self.run_subscriber_step(*server, other).await,
            }
        }
    }

    async fn run_subscriber_step(&mut self, server: usize, step: &Step) {
        let count = self.subscribers.len();
        let commits = &self.commits;
        match step {
            Step::Subscribe {
                subscriber,
                table,
                group,
                id,
            } => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.subscribe(*table, *group, *id, commits).await;
            }
            Step::Unsubscribe {
                subscriber,
                subscription,
            } => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.unsubscribe(*subscription, commits).await;
            }
            Step::Disconnect(subscriber) => self.subscribers[subscriber % count].disconnect(),
            Step::Reconnect(subscriber) => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.reconnect(&self.lives[server], commits).await;
            }
            Step::Pause(subscriber) => self.subscribers[subscriber % count].pause(),
            Step::Read(subscriber) => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.resume_reading(commits).await;
            }
            Step::Refresh(subscriber, user) => {
                let subscriber = &mut self.subscribers[subscriber % count];
                subscriber.refresh(*user, commits).await;
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

    /// Merges the changes of a transaction, as rest-live does for a model with a permission: a row
    /// changes once, and the permission is not called with states from the middle of the
    /// transaction.
    fn merge_by_row(&self, changes: Vec<Change>) -> Vec<Change> {
        let has_triggers = self.servers.has_triggers;
        let mut merged: Vec<Change> = Vec::new();
        for mut change in changes {
            if has_triggers && change.old == change.new {
                continue;
            }
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
