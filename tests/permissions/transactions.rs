//! Transactions on rows with a permission: the old state of a row is read before it is written.

use std::time::Duration;

use rest_live::{Limits, log::MemoryLog};
use sea_orm::TransactionTrait;

use crate::{
    entities::{Patch, Values, document},
    tables::Tables,
};

fn values() -> Values {
    Values {
        text: "a text".to_owned(),
        list_id: Some(1),
        owner: 1,
        level: 0,
    }
}

fn patch(text: &str) -> Patch {
    Patch {
        text: Some(text.to_owned()),
        list_id: None,
        owner: None,
        level: None,
    }
}

/// SQLite rejects a transaction that begins with a read as soon as another transaction writes.
/// An application's transaction that begins with a write waits for the other one instead, and
/// rest-live must not change that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_write_transactions_wait() {
    let tables = Tables::open().await;
    let live = tables.live(Limits::default(), MemoryLog::default());
    let writers = [1, 2].map(|id| {
        let db = live.db();
        tokio::spawn(async move {
            document::insert(&db, id, &values()).await;
            for round in 0..30 {
                let transaction = db.begin().await.unwrap();
                document::update(&transaction, id, &patch(&format!("round {round}"))).await;
                // Long enough for the other transaction to begin.
                tokio::time::sleep(Duration::from_millis(2)).await;
                transaction.commit().await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
}
