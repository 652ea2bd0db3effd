//! The broadcasts of one transaction or bulk statement are a unit, on every event log.

use rest_live::{Limits, Live, LiveEntity, testing::Client};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    entities::task,
    support::{LogKind, Servers, task as new_task},
};

const KINDS: [LogKind; 3] = [LogKind::Memory, LogKind::Redis, LogKind::Outbox];

/// Starts two servers, and a client of the second one that follows two lists and a row.
async fn start(kind: LogKind) -> (Servers, Live, Client) {
    let servers = Servers::start(kind).await;
    let writer = servers.live().await;
    let limits = Limits::default()
        .max_pending_messages(4096)
        .max_pending_bytes(4 << 20);
    let reader = servers.builder().await.limits(limits).build().unwrap();
    let mut client = Client::connect(&reader, ());
    for (id, group) in [
        json!({"list_id": 1}),
        json!({"list_id": 2}),
        json!({"pk": 1}),
    ]
    .into_iter()
    .enumerate()
    {
        let request = json!({"id": id, "model": "todolist.Task", "group": group});
        client.send_json(request).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
    }
    (servers, writer, client)
}

/// Asserts that frames are one unit: `count` broadcasts, and the message that ends it.
fn assert_unit(frames: &[Value], count: usize) {
    let Some((end, broadcasts)) = frames.split_last() else {
        panic!("there are no frames")
    };
    assert_eq!(broadcasts.len(), count, "{frames:?}");
    assert_eq!(end["type"], "unit", "{frames:?}");
    for frame in broadcasts {
        assert_eq!(frame["type"], "broadcast", "{frames:?}");
        assert_eq!(frame["unit"], end["cursor"], "{frames:?}");
    }
}

#[tokio::test]
async fn transaction_is_one_unit() {
    for kind in KINDS {
        let (_servers, writer, mut client) = start(kind).await;
        let transaction = writer.db().begin().await.unwrap();
        new_task(2, "two", 1).insert(&transaction).await.unwrap();
        new_task(3, "three", 2).insert(&transaction).await.unwrap();
        new_task(4, "not followed", 3)
            .insert(&transaction)
            .await
            .unwrap();
        let mut update = new_task(2, "two, again", 1);
        update.list_id = sea_orm::ActiveValue::NotSet;
        update.update(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        new_task(5, "alone", 1).insert(&writer.db()).await.unwrap();
        let frames = client.received().await;
        let (unit, alone) = frames.split_at(4);
        assert_unit(unit, 3);
        let texts = unit[..3].iter().map(|frame| &frame["payload"]["text"]);
        assert!(texts.eq(["two", "three", "two, again"]), "{frames:?}");
        assert_eq!(alone.len(), 1, "{kind:?}: {frames:?}");
        assert_eq!(alone[0].get("unit"), None, "{kind:?}");
    }
}

#[tokio::test]
async fn bulk_statement_is_one_unit() {
    for kind in KINDS {
        let (_servers, writer, mut client) = start(kind).await;
        let db = writer.db();
        task::Entity::live_insert_many((2..=6).map(|id| new_task(id, "a", id % 2 + 1)))
            .exec(&db)
            .await
            .unwrap();
        assert_unit(&client.received().await, 5);
        task::Entity::update_many()
            .col_expr(task::Column::Text, Expr::value("b"))
            .filter(task::Column::ListId.is_in([1, 2]))
            .exec(&db)
            .await
            .unwrap();
        assert_unit(&client.received().await, 5);
        task::Entity::delete_many()
            .filter(task::Column::ListId.eq(1))
            .exec(&db)
            .await
            .unwrap();
        assert_unit(&client.received().await, 3);
        // One row is not a unit.
        task::Entity::delete_many()
            .filter(task::Column::Id.eq(3))
            .exec(&db)
            .await
            .unwrap();
        let frames = client.received().await;
        assert_eq!(frames.len(), 1, "{kind:?}: {frames:?}");
        assert_eq!(frames[0].get("unit"), None, "{kind:?}");
    }
}

#[tokio::test]
async fn moved_row_is_one_unit() {
    for kind in KINDS {
        let (_servers, writer, mut client) = start(kind).await;
        new_task(1, "moves", 1).insert(&writer.db()).await.unwrap();
        let frames = client.received().await;
        assert!(frames.iter().all(|frame| frame.get("unit").is_none()));
        let moved = task::ActiveModel {
            id: Set(1),
            list_id: Set(2),
            ..Default::default()
        };
        moved.update(&writer.db()).await.unwrap();
        let frames = client.received().await;
        assert_unit(&frames, 3);
        let actions = frames[..3].iter().map(|frame| frame["action"].as_str());
        let mut actions: Vec<_> = actions.flatten().collect();
        assert_eq!(actions.remove(0), "DELETED", "{kind:?}");
        actions.sort_unstable();
        assert_eq!(actions, ["CREATED", "UPDATED"], "{kind:?}");
    }
}

/// It is larger than what a tail reads at once, and than what the server publishes at once.
#[tokio::test]
async fn large_transaction_is_one_unit() {
    const ROWS: i32 = 1_500;
    for kind in KINDS {
        let (_servers, writer, mut client) = start(kind).await;
        let transaction = writer.db().begin().await.unwrap();
        for first in (2..2 + ROWS).step_by(500) {
            let rows = (first..first + 500).map(|id| new_task(id, "many", 1));
            task::Entity::live_insert_many(rows)
                .exec(&transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        assert_unit(&client.received().await, ROWS as usize);
    }
}
