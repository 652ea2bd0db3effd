//! One of many concurrent writers. It makes single writes, transactions, savepoints, and requests
//! that are abandoned midway.

use std::time::Duration;

use rest_live::{LiveConnection, LiveTransaction};
use sea_orm::{DbErr, TransactionTrait};
use tokio::time::timeout;

use super::{
    dice::{Dice, Fate},
    tally::{Refusal, Tally},
    write::Write,
};
use crate::support::{Engine, given_up_after};

pub struct Writer {
    dice: Dice,
    db: LiveConnection,
    tally: Tally,
    /// The current operation, for the message of a timeout.
    current: String,
}

/// How long an operation may take on a busy machine.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The state of a transaction or a savepoint after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Usable,
    /// It accepts no statement until its end.
    Failed,
    /// It and its outer transactions have ended.
    Ended,
}

impl Writer {
    pub fn new(dice: Dice, db: LiveConnection) -> Self {
        Self {
            dice,
            db,
            tally: Tally::default(),
            current: String::new(),
        }
    }

    /// Makes this number of operations.
    pub async fn run(mut self, operations: u32) -> Tally {
        for _ in 0..operations {
            self.tally.operations += 1;
            if timeout(OPERATION_TIMEOUT, self.operate()).await.is_err() {
                panic!("timeout of an operation: {}", self.current);
            }
        }
        self.tally
    }

    async fn operate(&mut self) {
        match self.dice.up_to(20) {
            1..=10 => self.write_once().await,
            11 => self.write_two_rows_concurrently().await,
            12 => self.abandon_write().await,
            13 => self.abandon_transaction().await,
            _ => self.transact().await,
        }
    }

    async fn write_once(&mut self) {
        let write = Write::draw(&mut self.dice, false);
        self.current = format!("{write:?}");
        let result = write.execute(&self.db).await;
        _ = self.record_write(&write, result);
    }

    /// Makes two concurrent writes of different rows in one task.
    async fn write_two_rows_concurrently(&mut self) {
        let first = Write::draw(&mut self.dice, false);
        let first = first.clone().of_another_row(&first);
        let second = Write::draw(&mut self.dice, false).of_another_row(&first);
        self.current = format!("{first:?} and {second:?}");
        let (one, other) = tokio::join!(first.execute(&self.db), second.execute(&self.db));
        _ = self.record_write(&first, one);
        _ = self.record_write(&second, other);
    }

    async fn abandon_write(&mut self) {
        let write = Write::draw(&mut self.dice, false);
        let polls = self.dice.up_to(8);
        self.current = format!("{write:?}, abandoned after {polls} polls");
        match given_up_after(polls, write.execute(&self.db)).await {
            Some(result) => _ = self.record_write(&write, result),
            None => self.tally.abandoned += 1,
        }
    }

    async fn abandon_transaction(&mut self) {
        let polls = self.dice.up_to(30);
        // On MariaDB, sqlx loses track of the responses if a future is dropped, and then the
        // connection (https://github.com/launchbadge/sqlx/issues/563). So only the commit is
        // abandoned there.
        let completed = match self.dice.engine {
            Engine::MariaDb => {
                self.run_transaction(Fate::CommitAbandoned).await;
                Some(())
            }
            Engine::Sqlite | Engine::Postgres => {
                given_up_after(polls, self.run_transaction(Fate::Committed)).await
            }
        };
        if completed.is_none() {
            self.tally.abandoned += 1;
        }
    }

    async fn transact(&mut self) {
        let fate = self.dice.fate();
        if fate.is_rollback() {
            self.tally.rolled_back += 1;
        }
        self.run_transaction(fate).await;
    }

    async fn run_transaction(&mut self, fate: Fate) {
        let isolation = self.dice.isolation();
        self.current = "BEGIN".to_owned();
        let transaction = match self.db.begin_with_config(isolation, None).await {
            Ok(transaction) => transaction,
            Err(error) => return self.tally.record_refusal(Refusal::of(&error, &"BEGIN")),
        };
        let steps = self.dice.up_to(5);
        // A transaction that has ended may be committed or rolled back: the database keeps nothing.
        _ = self
            .run_steps(&transaction, steps, fate.is_rollback(), 0)
            .await;
        self.end(transaction, fate).await;
    }

    async fn run_steps(
        &mut self,
        transaction: &LiveTransaction,
        steps: u32,
        is_doomed: bool,
        depth: u32,
    ) -> State {
        for _ in 0..steps {
            let state = if depth < 2 && self.dice.one_in(5) {
                Box::pin(self.run_savepoint(transaction, is_doomed, depth)).await
            } else {
                let write = Write::draw(&mut self.dice, is_doomed);
                self.write_in(transaction, write, is_doomed, depth).await
            };
            if state != State::Usable {
                return state;
            }
        }
        State::Usable
    }

    async fn write_in(
        &mut self,
        db: &LiveTransaction,
        write: Write,
        is_doomed: bool,
        depth: u32,
    ) -> State {
        self.current = format!("{write:?} at depth {depth}");
        let result = write.execute(db).await;
        let state = self.record_write(&write, result);
        if state == State::Failed && self.dice.one_in(2) {
            // An application may ignore errors. It makes no savepoint here: SeaORM ends the
            // transaction if it cannot begin one.
            let another = Write::draw(&mut self.dice, is_doomed).into_plain_update();
            let result = another.execute(db).await;
            return self.record_write(&another, result).max(state);
        }
        state
    }

    async fn run_savepoint(
        &mut self,
        outer: &LiveTransaction,
        is_doomed: bool,
        depth: u32,
    ) -> State {
        let fate = self.dice.fate();
        self.tally.savepoints += 1;
        self.current = format!("SAVEPOINT at depth {depth}");
        let savepoint = outer.begin().await.unwrap();
        let steps = self.dice.up_to(2);
        let is_doomed = is_doomed || fate.is_rollback();
        let state = self
            .run_steps(&savepoint, steps, is_doomed, depth + 1)
            .await;
        self.end(savepoint, fate).await;
        match state {
            State::Usable | State::Failed => State::Usable,
            State::Ended => State::Ended,
        }
    }

    async fn end(&mut self, transaction: LiveTransaction, fate: Fate) {
        self.current += &format!(", then {fate:?}");
        let result = match fate {
            Fate::Committed => transaction.commit().await,
            Fate::CommitAbandoned => {
                self.tally.abandoned += 1;
                given_up_after(1, transaction.commit())
                    .await
                    .unwrap_or(Ok(()))
            }
            Fate::RolledBack => transaction.rollback().await,
            Fate::Dropped => {
                drop(transaction);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.tally.record_refusal(Refusal::of(&error, &fate));
        }
    }

    fn record_write(&mut self, write: &Write, result: Result<(), DbErr>) -> State {
        let result = result.map_err(|error| Refusal::of(&error, write));
        self.tally.record_write(write.kind, &result);
        match result {
            Ok(()) | Err(Refusal::Nothing(_)) => State::Usable,
            Err(Refusal::Transaction(_)) if self.dice.engine == Engine::MariaDb => State::Ended,
            Err(_) if self.dice.engine == Engine::Postgres => State::Failed,
            Err(_) => State::Usable,
        }
    }
}
