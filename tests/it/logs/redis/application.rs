//! Two servers of one application.

use rest_live::{Live, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, ModelTrait, TransactionTrait};
use serde_json::json;

use super::{Redis, append, node, until};
use crate::support::{Engine, database_of, task};

#[tokio::test]
async fn write_reaches_clients_of_another_server() {
    let redis = Redis::start().await;
    let (db, _database) = database_of(Engine::Sqlite).await;
    let mut lives = Vec::new();
    for _ in 0..2 {
        let log = node(&redis).await;
        lives.push(Live::builder(db.clone()).log(log).build().unwrap());
    }
    let mut clients: Vec<Client> = Vec::new();
    for live in &lives {
        let client = Client::connect(live, ());
        let request = json!({"model": "todolist.Task", "list_id": 1});
        client.send_json(request).await;
        clients.push(client);
    }
    let writer = lives[0].db();
    let milk = task(1, "milk", 1).insert(&writer).await.unwrap();
    assert_received(&mut clients, "CREATED", "milk").await;
    let mut bread = milk.into_active_model();
    bread.text = Set("bread".to_owned());
    let bread = bread.update(&lives[1].db()).await.unwrap();
    assert_received(&mut clients, "UPDATED", "bread").await;
    // The servers ignore an event of an unknown model.
    append(&node(&redis).await, 1, 0..1).await;
    bread.delete(&writer).await.unwrap();
    assert_received(&mut clients, "DELETED", "bread").await;
}

#[tokio::test]
async fn rolled_back_transaction_leaves_a_clean_node() {
    const CLEAN: &str = "SCARD rest-live:nodes:clean";
    let redis = Redis::start().await;
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let (db, _database) = database_of(engine).await;
        let log = node(&redis).await;
        let live: Live = Live::builder(db.clone()).log(log).build().unwrap();
        until(&redis, CLEAN, 1).await;
        let transaction = live.db().begin().await.unwrap();
        task(1, "milk", 1).insert(&transaction).await.unwrap();
        // Its announcement holds while the transaction is open.
        task(2, "bread", 1).insert(&live.db()).await.unwrap();
        until(&redis, CLEAN, 0).await;
        transaction.rollback().await.unwrap();
        until(&redis, CLEAN, 1).await;
        live.shutdown().await;
    }
}

async fn assert_received(clients: &mut [Client], action: &str, text: &str) {
    for client in clients {
        let frame = client.receive_json().await;
        assert_eq!(frame["action"], action, "{frame}");
        assert_eq!(frame["payload"]["text"], text, "{frame}");
    }
}
