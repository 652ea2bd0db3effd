//! Units at full speed. Writers transfer amounts between accounts in transactions. So every
//! committed state has the same total, and a page that applies units as a whole must show this
//! total after each unit and after each message that stands alone. Some pages read slowly, and some
//! reconnect to another server and resume.
//!
//! Only the outbox has several writers at once. With the other logs, a row that two transactions
//! write at the same time is read again, and its state is published outside of both units.

mod bank;
mod page;

use std::sync::Arc;

use futures_util::future::join_all;
use rest_live::log::MemoryLog;
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationTrait, SchemaManager};

use self::{
    bank::{Bank, live},
    page::{Behavior, Page},
};
use crate::support::{Engine, Redis, TestDatabase, database_of, soon};

const SERVERS: usize = 3;
const MAX_WRITERS: usize = 4;
/// Number of transfers of all writers together.
const TRANSFERS: usize = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn total_is_constant_on_sqlite() {
    let (db, _database) = database_of(Engine::Sqlite).await;
    let lives = vec![live(&db, MemoryLog::default())];
    run(Bank::open(db, lives).await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn total_is_constant_over_the_outbox() {
    let (db, database) = database_of(Engine::Postgres).await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let mut lives = Vec::new();
    for db in pools(&database).await {
        lives.push(live(&db, OutboxLog::open(db.clone()).await.unwrap()));
    }
    run(Bank::open(db, lives).await, MAX_WRITERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn total_is_constant_over_redis() {
    let (db, database) = database_of(Engine::Postgres).await;
    let redis = Redis::start().await;
    let mut lives = Vec::new();
    for db in pools(&database).await {
        let log = RedisLog::connect(&redis.url()).await.unwrap();
        lives.push(live(&db, log));
    }
    run(Bank::open(db, lives).await, 1).await;
}

/// Returns the pool of each server.
async fn pools(database: &TestDatabase) -> Vec<DatabaseConnection> {
    join_all((0..SERVERS).map(|_| database.connect())).await
}

async fn run(bank: Bank, writers: usize) {
    let bank = Arc::new(bank);
    let behaviors = [
        Behavior::Steady,
        Behavior::Slow,
        Behavior::Slow,
        Behavior::Roaming,
        Behavior::Roaming,
    ];
    let mut pages = Vec::new();
    for (server, behavior) in behaviors.into_iter().enumerate() {
        let page = Page::open(&bank, server, behavior).await;
        pages.push(tokio::spawn(page.run(Arc::clone(&bank))));
    }
    let writers = (0..writers).map(|number| {
        let bank = Arc::clone(&bank);
        tokio::spawn(async move {
            for _ in 0..TRANSFERS / writers {
                bank.transfer(number).await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    bank.write_the_last().await;
    let accounts = bank.accounts().await;
    for page in soon("the last row at every page", join_all(pages)).await {
        let page = page.unwrap();
        eprintln!("{page}");
        assert_eq!(page.accounts(), accounts, "{page}");
    }
}
