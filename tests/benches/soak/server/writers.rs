//! Who writes: one to list 1, about sixty numbers a second, and one to all the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use rest_live::{
    LiveConnection,
    log::{EventLog, MemoryLog},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, DbErr, ModelTrait, TransactionTrait,
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::table::{FIRST, LAST, OTHERS, ROWS, task, text};

/// Of the writer to list 1: in eleven of its steps are twenty numbers.
const STEP: Duration = Duration::from_millis(30);
/// Of the writer to the others.
const STEP_OF_OTHERS: Duration = Duration::from_millis(50);
/// The ids of rows that are created and deleted.
const PASSING: i32 = 1_000_000;
/// Rows that are there at once of those.
const STAYING: usize = 5;

pub struct Writers {
    is_over: Arc<AtomicBool>,
    to_first: JoinHandle<Result<u64, DbErr>>,
    to_others: JoinHandle<Result<(), DbErr>>,
}

impl Writers {
    pub fn start(db: &LiveConnection) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let first = First::new(db).run(Arc::clone(&is_over));
        Self {
            to_first: tokio::spawn(first),
            to_others: tokio::spawn(write_to_others(db.clone(), Arc::clone(&is_over))),
            is_over,
        }
    }

    /// Ends them, and returns the last number of list 1.
    pub async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.to_others.await.unwrap().unwrap();
        self.to_first.await.unwrap().unwrap()
    }
}

/// Fills the log, as that of a server is which has been up for a while: else it would grow until the end. Whoever does it
/// runs where the writers do, for the allocator keeps memory by thread.
pub async fn fill(db: &LiveConnection, log: MemoryLog) {
    let mut first = First::new(db);
    let filling = tokio::spawn(async move {
        let capacity = MemoryLog::DEFAULT_CAPACITY as u64;
        while log.head().await.is_ok_and(|head| head.position < capacity) {
            first.update_ten().await?;
        }
        Ok::<_, DbErr>(())
    });
    filling.await.unwrap().unwrap();
}

/// The writer to list 1.
struct First {
    db: LiveConnection,
    /// The last that was written.
    number: u64,
    created: Vec<task::Model>,
}

impl First {
    fn new(db: &LiveConnection) -> Self {
        Self {
            db: db.clone(),
            number: 0,
            created: Vec::new(),
        }
    }

    async fn run(mut self, is_over: Arc<AtomicBool>) -> Result<u64, DbErr> {
        let mut pace = interval(STEP);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in 0.. {
            pace.tick().await;
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            match step % 11 {
                0 => self.update_ten().await?,
                5 => self.create().await?,
                _ => {
                    let db = self.db.clone();
                    self.update(&db).await?;
                }
            }
        }
        for row in std::mem::take(&mut self.created) {
            row.delete(&self.db).await?;
        }
        Ok(self.number)
    }

    fn next(&mut self) -> String {
        self.number += 1;
        text(self.number)
    }

    async fn update(&mut self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        let row = task::ActiveModel {
            id: Unchanged(1 + (self.number % ROWS as u64) as i32),
            text: Set(self.next()),
            ..Default::default()
        };
        row.update(db).await?;
        Ok(())
    }

    async fn update_ten(&mut self) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        for _ in 0..10 {
            self.update(&transaction).await?;
        }
        transaction.commit().await
    }

    /// Creates a row, and deletes the one that is there for longest.
    async fn create(&mut self) -> Result<(), DbErr> {
        let text = self.next();
        let row = task::ActiveModel {
            id: Set(PASSING + self.number as i32),
            text: Set(text),
            list_id: Set(FIRST),
        };
        self.created.push(row.insert(&self.db).await?);
        if self.created.len() > STAYING {
            self.created.remove(0).delete(&self.db).await?;
        }
        Ok(())
    }
}

/// Saves the rows of the other lists; some move to another list for it.
async fn write_to_others(db: LiveConnection, is_over: Arc<AtomicBool>) -> Result<(), DbErr> {
    let mut dice = Rng::new();
    let mut pace = interval(STEP_OF_OTHERS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        pace.tick().await;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let mut row = task::ActiveModel {
            id: Unchanged(OTHERS + dice.i32(FIRST + 1..=LAST)),
            text: Set(text(number)),
            ..Default::default()
        };
        if number % 4 == 0 {
            row.list_id = Set(dice.i32(FIRST + 1..=LAST));
        }
        row.update(&db).await?;
    }
    Ok(())
}
