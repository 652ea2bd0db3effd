//! Two servers of one application.

use rest_live::{Live, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, ModelTrait};
use serde_json::json;

use super::{Redis, append, node};
use crate::support::{Engine, database_of, task};

#[tokio::test]
async fn what_is_written_on_one_server_is_seen_on_another() {
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
    told(&mut clients, "CREATED", "milk").await;
    let mut bread = milk.into_active_model();
    bread.text = Set("bread".to_owned());
    let bread = bread.update(&lives[1].db()).await.unwrap();
    told(&mut clients, "UPDATED", "bread").await;
    // An event of a model that they do not know is nobody's.
    append(&node(&redis).await, 1, 0..1).await;
    bread.delete(&writer).await.unwrap();
    told(&mut clients, "DELETED", "bread").await;
}

async fn told(clients: &mut [Client], action: &str, text: &str) {
    for client in clients {
        let frame = client.receive_json().await;
        assert_eq!(frame["action"], action, "{frame}");
        assert_eq!(frame["payload"]["text"], text, "{frame}");
    }
}
