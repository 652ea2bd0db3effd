//! Transactions on rows that a permission decides about: their old state is read before they are written.

use std::time::Duration;

use rest_live::Limits;
use sea_orm::TransactionTrait;

use crate::{
    entities::{Patch, Values, document},
    support::Tables,
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

/// On SQLite, a transaction that begins with a read is refused as soon as another writes; those of an
/// application that begin with their write wait their turn, and go on to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_write_side_by_side_wait_for_each_other() {
    let tables = Tables::open().await;
    let live = tables.live(Limits::default());
    let writers = [1, 2].map(|id| {
        let db = live.db();
        tokio::spawn(async move {
            document::insert(&db, id, &values()).await;
            for round in 0..30 {
                let transaction = db.begin().await.unwrap();
                document::update(&transaction, id, &patch(&format!("round {round}"))).await;
                // Long enough for the other to begin.
                tokio::time::sleep(Duration::from_millis(2)).await;
                transaction.commit().await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
}
