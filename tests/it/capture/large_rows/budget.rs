//! The memory budget: what is over it becomes a reset, and what fits is sent as always.

use rest_live::{Live, log::MemoryLog, testing::Client};
use sea_orm::{ActiveValue::Set, TransactionTrait, entity::prelude::*};
use serde_json::{Value, json};

use super::{
    Engine, Whole, builder,
    model::{database, page, value},
    pages, subscribed,
};

const KIB: usize = 1024;
const TEXT_BYTES: usize = 16 * KIB;

/// Starts a server with room for 8 large rows in the log, 3 in the history and 2 in transactions.
fn start(db: &DatabaseConnection) -> Live {
    let live = builder(db).register::<Whole>().log(MemoryLog::default());
    live.memory_budget(17 * TEXT_BYTES).build().unwrap()
}

fn large(id: i32) -> page::ActiveModel {
    page::ActiveModel {
        body: Set("x".repeat(TEXT_BYTES)),
        ..pages(id, 1)
    }
}

/// Returns the action or the type of each frame, with the id of its row. The ends of units are left
/// out.
async fn received(client: &mut Client) -> Vec<(Value, Value)> {
    let mut frames = client.received().await;
    frames.retain(|frame| frame["type"] != "unit");
    let named = |mut frame: Value| {
        let name = match frame["action"].take() {
            Value::Null => frame["type"].take(),
            action => action,
        };
        (name, frame["payload"]["id"].take())
    };
    frames.into_iter().map(named).collect()
}

fn created(ids: impl IntoIterator<Item = i32>) -> Vec<(Value, Value)> {
    let created = ids.into_iter().map(|id| (json!("CREATED"), json!(id)));
    created.collect()
}

#[tokio::test]
async fn large_transaction_is_a_reset() {
    let (db, _database) = database(Engine::Sqlite).await;
    let live = start(&db);
    let mut client = subscribed(&live).await;
    let insert = async |ids: std::ops::Range<i32>| {
        let transaction = live.db().begin().await.unwrap();
        for id in ids {
            large(id).insert(&transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    };
    insert(0..1).await;
    assert_eq!(received(&mut client).await, created(0..1));
    insert(1..9).await;
    let frames = received(&mut client).await;
    assert_eq!(frames[0], (json!("reset"), Value::Null));
    // Rows that were written after the transaction was reset are sent.
    assert_eq!(frames[1..], created(7..9));
    // The rows of the transaction that has ended no longer count.
    insert(9..10).await;
    assert_eq!(received(&mut client).await, created(9..10));
}

#[tokio::test]
async fn rollback_returns_its_bytes() {
    let (db, _database) = database(Engine::Sqlite).await;
    let live = start(&db);
    let mut client = subscribed(&live).await;
    for id in 0..8 {
        let transaction = live.db().begin().await.unwrap();
        large(id).insert(&transaction).await.unwrap();
        transaction.rollback().await.unwrap();
    }
    let transaction = live.db().begin().await.unwrap();
    for id in 0..2 {
        let small = pages(id, 1);
        small.insert(&transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(received(&mut client).await, created(0..2));
}

#[tokio::test]
async fn large_statement_is_a_reset() {
    let (db, _database) = database(Engine::Sqlite).await;
    let live = start(&db);
    let mut client = subscribed(&live).await;
    let insert = page::Entity::insert_many((0..8).map(large));
    insert.exec(&live.db()).await.unwrap();
    assert_eq!(received(&mut client).await, [(json!("reset"), Value::Null)]);
}

#[tokio::test]
async fn larger_row_than_the_budget_is_sent() {
    let (db, _database) = database(Engine::Sqlite).await;
    let live = builder(&db).register::<Whole>().memory_budget(KIB);
    let live = live.build().unwrap();
    let mut client = subscribed(&live).await;
    for id in 0..3 {
        let row = large(id).insert(&live.db()).await.unwrap();
        let sent: Value = client.receive_json().await;
        assert_eq!(sent["payload"], value(Whole::from(&row)));
    }
}

/// Returns the reply to a resume after a cursor.
async fn resumed(live: &Live, since: &Value) -> Vec<Value> {
    let mut client = Client::connect(live, ());
    let request = json!({"id": 1, "model": "it.Page", "group": {"book_id": 1}, "since": since});
    client.send_json(request).await;
    client.received().await
}

#[tokio::test]
async fn history_is_bounded_by_bytes() {
    let (db, _database) = database(Engine::Sqlite).await;
    let live = start(&db);
    let mut client = subscribed(&live).await;
    let mut cursors = Vec::new();
    for id in 0..6 {
        large(id).insert(&live.db()).await.unwrap();
        let mut frame = client.receive_json().await;
        cursors.push(frame["cursor"].take());
    }
    let recovered = resumed(&live, &cursors[3]).await;
    assert_eq!(recovered[0]["recovered"], true, "{:?}", recovered[0]);
    assert_eq!(
        recovered.len(),
        4,
        "the reply, the two rows after the cursor, and their end"
    );
    let expired = resumed(&live, &cursors[0]).await;
    assert_eq!(expired[0]["recovered"], false, "{:?}", expired[0]);
    assert_eq!(expired[1]["reason"], "expired", "{:?}", expired[1]);
}
