//! Applications that share an outbox: a write by one of them, or by `psql`, reaches the clients of
//! the others.

use rest_live::{Live, testing::Client};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use super::up;
use crate::{
    entities::{device, task},
    support::{Engine, database_of, soon, task as new_task},
};

async fn node(db: &DatabaseConnection) -> Live {
    let log = OutboxLog::open(db.clone()).await.unwrap();
    Live::builder(db.clone()).log(log).build().unwrap()
}

/// Connects a client, and writes sentinels until its node delivers one: then the node reads the
/// log.
async fn subscribed(live: &Live, db: &DatabaseConnection, request: Value) -> Client {
    let mut client = Client::connect(live, ());
    client.send_json(request).await;
    client
        .send_json(json!({"model": "todolist.Task", "list_id": -1}))
        .await;
    soon("the first event on the node", async {
        for id in 1000.. {
            let sentinel = new_task(id, "sentinel", -1);
            sentinel.insert(&live.db()).await.unwrap();
            if !client.received().await.is_empty() {
                break;
            }
        }
    })
    .await;
    db.execute_unprepared("DELETE FROM task WHERE list_id = -1")
        .await
        .unwrap();
    client
}

/// Returns the next frame that is not about a sentinel.
async fn next(client: &mut Client) -> Value {
    loop {
        let frame = client.receive_json().await;
        if frame["payload"]["text"] != "sentinel" {
            return frame;
        }
    }
}

#[tokio::test]
async fn write_reaches_clients_of_another_node() {
    let (db, _database) = database_of(Engine::Postgres).await;
    up(&db, &Outbox).await;
    let (here, there) = (node(&db).await, node(&db).await);
    let list = json!({"model": "todolist.Task", "list_id": 1});
    let mut client = subscribed(&there, &db, list).await;
    new_task(1, "milk", 1).insert(&here.db()).await.unwrap();
    let frame = next(&mut client).await;
    let expected = json!({"id": 1, "text": "milk", "done": false});
    assert_eq!(
        (&frame["payload"], &frame["action"]),
        (&expected, &json!("CREATED"))
    );
    here.shutdown().await;
    there.shutdown().await;
}

#[tokio::test]
async fn triggers_deliver_writes_by_psql() {
    let (db, _database) = database_of(Engine::Postgres).await;
    up(&db, &Outbox).await;
    up(
        &db,
        &Capture::of::<task::Entity>("todolist.Task").named("tasks"),
    )
    .await;
    up(&db, &Capture::of::<device::Entity>("it.Device")).await;
    let live = node(&db).await;
    let list = json!({"model": "todolist.Task", "list_id": 1});
    let mut client = subscribed(&live, &db, list).await;
    let foreign = "INSERT INTO task (id, text, done, list_id) VALUES (1, 'milk', false, 1); \
                   UPDATE task SET done = true WHERE id = 1; DELETE FROM task WHERE id = 1";
    db.execute_unprepared(foreign).await.unwrap();
    for (action, done) in [("CREATED", false), ("UPDATED", true), ("DELETED", true)] {
        let frame = next(&mut client).await;
        let expected = json!({"id": 1, "text": "milk", "done": done});
        assert_eq!(
            (&frame["payload"], &frame["action"]),
            (&expected, &json!(action))
        );
    }
}
