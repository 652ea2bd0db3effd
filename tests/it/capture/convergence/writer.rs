//! One of many who write at once: statements that commit by themselves, transactions, savepoints, and requests that
//! are given up midway.

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
    /// What it does now.
    doing: String,
}

/// So long an operation may take, on a machine with more to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can be done in a transaction or a savepoint after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Good,
    /// Nothing until its end.
    Failed,
    /// Nothing, also not in what it is in.
    Gone,
}

impl Writer {
    pub fn new(dice: Dice, db: LiveConnection) -> Self {
        Self {
            dice,
            db,
            tally: Tally::default(),
            doing: String::new(),
        }
    }

    /// Writes, so many times.
    pub async fn run(mut self, operations: u32) -> Tally {
        for _ in 0..operations {
            self.tally.operations += 1;
            if timeout(PATIENCE, self.operate()).await.is_err() {
                panic!("an operation does not end: {}", self.doing);
            }
        }
        self.tally
    }

    async fn operate(&mut self) {
        match self.dice.upto(20) {
            1..=10 => self.write_alone().await,
            11 => self.write_two_at_once().await,
            12 => self.give_up_a_write().await,
            13 => self.give_up_a_transaction().await,
            _ => self.transact().await,
        }
    }

    async fn write_alone(&mut self) {
        let write = Write::draw(&mut self.dice, false);
        self.doing = format!("{write:?}");
        let result = write.carry_out(&self.db).await;
        _ = self.wrote(&write, result);
    }

    /// Two writes in one task, of different rows.
    async fn write_two_at_once(&mut self) {
        let first = Write::draw(&mut self.dice, false);
        let first = first.clone().beside(&first);
        let second = Write::draw(&mut self.dice, false).beside(&first);
        self.doing = format!("{first:?} and {second:?}");
        let (one, other) = tokio::join!(first.carry_out(&self.db), second.carry_out(&self.db));
        _ = self.wrote(&first, one);
        _ = self.wrote(&second, other);
    }

    async fn give_up_a_write(&mut self) {
        let write = Write::draw(&mut self.dice, false);
        let polls = self.dice.upto(8);
        self.doing = format!("{write:?}, given up after {polls}");
        match given_up_after(polls, write.carry_out(&self.db)).await {
            Some(result) => _ = self.wrote(&write, result),
            None => self.tally.given_up += 1,
        }
    }

    async fn give_up_a_transaction(&mut self) {
        let polls = self.dice.upto(30);
        // sqlx loses its place in what MariaDB says when it is not listened to, and with it the connection
        // (https://github.com/launchbadge/sqlx/issues/563): there, only the end is given up.
        let is_kept = match self.dice.engine {
            Engine::MariaDb => {
                self.run_transaction(Fate::KeptUnheard).await;
                Some(())
            }
            Engine::Sqlite | Engine::Postgres => {
                given_up_after(polls, self.run_transaction(Fate::Kept)).await
            }
        };
        if is_kept.is_none() {
            self.tally.given_up += 1;
        }
    }

    async fn transact(&mut self) {
        let fate = self.dice.fate();
        if fate.is_doom() {
            self.tally.rolled_back += 1;
        }
        self.run_transaction(fate).await;
    }

    async fn run_transaction(&mut self, fate: Fate) {
        let isolation = self.dice.isolation();
        self.doing = "BEGIN".to_owned();
        let transaction = match self.db.begin_with_config(isolation, None).await {
            Ok(transaction) => transaction,
            Err(error) => return self.tally.refused(Refusal::of(&error, &"BEGIN")),
        };
        let steps = self.dice.upto(5);
        // A transaction that is over may be ended in either way: the database keeps nothing.
        _ = self.steps(&transaction, steps, fate.is_doom(), 0).await;
        self.end(transaction, fate).await;
    }

    async fn steps(
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
            if state != State::Good {
                return state;
            }
        }
        State::Good
    }

    async fn write_in(
        &mut self,
        db: &LiveTransaction,
        write: Write,
        is_doomed: bool,
        depth: u32,
    ) -> State {
        self.doing = format!("{write:?} at depth {depth}");
        let result = write.carry_out(db).await;
        let state = self.wrote(&write, result);
        if state == State::Failed && self.dice.one_in(2) {
            // Who does not look at errors. Not with a savepoint: SeaORM ends the transaction if it cannot begin.
            let another = Write::draw(&mut self.dice, is_doomed).into_plain_update();
            let result = another.carry_out(db).await;
            return self.wrote(&another, result).max(state);
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
        self.doing = format!("SAVEPOINT at depth {depth}");
        let savepoint = outer.begin().await.unwrap();
        let steps = self.dice.upto(2);
        let is_doomed = is_doomed || fate.is_doom();
        let state = self.steps(&savepoint, steps, is_doomed, depth + 1).await;
        self.end(savepoint, fate).await;
        match state {
            State::Good | State::Failed => State::Good,
            State::Gone => State::Gone,
        }
    }

    async fn end(&mut self, transaction: LiveTransaction, fate: Fate) {
        self.doing += &format!(", then {fate:?}");
        let result = match fate {
            Fate::Kept => transaction.commit().await,
            Fate::KeptUnheard => {
                self.tally.given_up += 1;
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
            self.tally.refused(Refusal::of(&error, &fate));
        }
    }

    fn wrote(&mut self, write: &Write, result: Result<(), DbErr>) -> State {
        let result = result.map_err(|error| Refusal::of(&error, write));
        self.tally.wrote(write.kind, &result);
        match result {
            Ok(()) | Err(Refusal::Nothing(_)) => State::Good,
            Err(Refusal::Transaction(_)) if self.dice.engine == Engine::MariaDb => State::Gone,
            Err(_) if self.dice.engine == Engine::Postgres => State::Failed,
            Err(_) => State::Good,
        }
    }
}
