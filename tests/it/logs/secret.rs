//! `secret = [".."]`: logs outside the process never receive these columns, which are blank in the
//! rows that come back.

use rest_live::{Live, log::MemoryLog, subscribable, testing::Client};
use sea_orm::{ActiveValue::Set, DerivePartialModel, IntoActiveModel, Schema, entity::prelude::*};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{SharedLog, database};

const HASH: &str = "$argon2id$of-a-password";
const PIN: &str = "4711-the-pin";

mod account {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub team_id: i32,
        pub password_hash: String,
        /// Has another name in the database.
        #[sea_orm(column_name = "the pin")]
        pub pin: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    /// Shows the secrets on purpose, so that a leak is visible.
    #[subscribable(model = "it.Account", secret = ["password_hash", "pin"])]
    #[subscribable(group_key = "team_id")]
    #[derive(Serialize, DerivePartialModel)]
    #[sea_orm(entity = "Entity")]
    pub struct AccountSerializer {
        id: i32,
        name: String,
        password_hash: String,
        pin: Option<String>,
    }
}

async fn table() -> (DatabaseConnection, crate::support::TestDatabase) {
    let (db, database) = database().await;
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(account::Entity))
        .await
        .unwrap();
    (db, database)
}

async fn subscribed(live: &Live) -> Client {
    let mut client = Client::connect(live, ());
    let request = json!({"id": 1, "model": "it.Account", "group": {"team_id": 1}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    client
}

fn ada() -> account::ActiveModel {
    account::ActiveModel {
        id: Set(1),
        name: Set("ada".to_owned()),
        team_id: Set(1),
        password_hash: Set(HASH.to_owned()),
        pin: Set(Some(PIN.to_owned())),
    }
}

async fn next(client: &mut Client, action: &str) -> Value {
    let mut frame = client.receive_json().await;
    assert_eq!(frame["action"], action, "{frame}");
    frame["payload"].take()
}

#[tokio::test]
async fn secret_is_blank_outside_the_process() {
    let (db, _database) = table().await;
    let log = SharedLog::new();
    let build = || {
        let live = Live::builder(db.clone()).log(log.clone());
        live.build().unwrap()
    };
    let lives = [build(), build()];
    let mut clients = Vec::new();
    for live in &lives {
        clients.push(subscribed(live).await);
    }
    let writer = lives[0].db();
    let blank = |name: &str| json!({"id": 1, "name": name, "password_hash": "", "pin": null});

    let model = ada().insert(&writer).await.unwrap();
    assert_eq!(model.password_hash, HASH, "the writer has the secret");
    for client in &mut clients {
        assert_eq!(next(client, "CREATED").await, blank("ada"));
    }
    // The event of a move also contains the old row.
    let mut moved = model.into_active_model();
    moved.name = Set("lovelace".to_owned());
    moved.team_id = Set(2);
    let model = moved.update(&writer).await.unwrap();
    for client in &mut clients {
        assert_eq!(next(client, "DELETED").await, blank("ada"));
        assert_eq!(client.receive_json().await["type"], "unit");
    }
    model.delete(&writer).await.unwrap();
    for client in &mut clients {
        client.receive_nothing().await;
    }

    let written = log.written();
    assert_eq!(written.len(), 3, "{written:?}");
    for text in &written {
        assert!(text.contains("team_id"), "{text}");
        for secret in [HASH, PIN, "password_hash", "the pin"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let update = serde_json::from_str::<Value>(&written[1]).unwrap();
    assert_eq!(
        (&update["old"][0]["name"], &update["new"]["name"]),
        (&json!("ada"), &json!("lovelace"))
    );
}

/// The row never leaves the process, so a serializer shows all of it.
#[tokio::test]
async fn log_in_the_process_keeps_the_secret() {
    let (db, _database) = table().await;
    let live = Live::builder(db).log(MemoryLog::default()).build().unwrap();
    let mut client = subscribed(&live).await;
    ada().insert(&live.db()).await.unwrap();
    let payload = next(&mut client, "CREATED").await;
    assert_eq!(
        payload,
        json!({"id": 1, "name": "ada", "password_hash": HASH, "pin": PIN})
    );
}
