//! Keys that are enumerations: of Rust, in a text or an integer, and of the database.

use rest_live::{Live, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Schema};
use serde_json::{Value, json};

use crate::{
    entities::ticket,
    support::{Engine, database_of},
};

crate::support::on_each_engine! {
    text_enumeration_is_a_key
    integer_enumeration_is_a_key
    primary_key_may_be_an_enumeration
    database_enumeration_is_a_key
}

mod shirt {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(1))")]
    pub enum Size {
        #[sea_orm(string_value = "S")]
        Small,
        #[sea_orm(string_value = "M")]
        Medium,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i32", db_type = "Integer")]
    pub enum Level {
        #[sea_orm(num_value = 1)]
        Low,
        #[sea_orm(num_value = 20)]
        High,
    }

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "shirt")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub size: Size,
        pub level: Option<Level>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(group_key = "size", entity = Entity)]
    #[subscribable(group_key = "level")]
    #[derive(Serialize)]
    pub struct ShirtSerializer {
        id: i32,
    }
}

/// A model whose primary key is an enumeration.
mod shelf {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    use super::shirt::Size;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "shelf_of_shirts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub size: Size,
        pub count: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity)]
    #[derive(Serialize)]
    pub struct ShelfSerializer {
        count: i32,
    }
}

/// Asserts that a value that no variant has is an error that lists the values.
async fn assert_refused(client: &mut Client, model: &str, key: &str, value: Value, values: &str) {
    let request = json!({"id": "wrong", "model": model, "group": {key: value}});
    client.send_json(request).await;
    let error = client.receive_json().await;
    assert_eq!(
        (&error["type"], &error["code"], &error["error"]),
        (&json!("error"), &json!(400), &json!("bad_value")),
        "{error}"
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(values), "{values} is not in {message}");
}

async fn subscribe(client: &mut Client, model: &str, key: &str, value: Value) {
    let request = json!({"id": value, "model": model, "group": {key: value}});
    client.send_json(request).await;
    let answer = client.receive_json().await;
    assert_eq!(answer["type"], "subscribed", "{answer}");
}

fn shirt(id: i32, size: shirt::Size, level: Option<shirt::Level>) -> shirt::ActiveModel {
    shirt::ActiveModel {
        id: Set(id),
        size: Set(size),
        level: Set(level),
    }
}

async fn text_enumeration_is_a_key(engine: Engine) {
    let (db, _database) = database_of(engine).await;
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(shirt::Entity);
    db.execute(&table).await.unwrap();
    let live = Live::builder(db).build().unwrap();
    let mut client = Client::connect(&live, ());
    subscribe(&mut client, "it.Shirt", "size", json!("S")).await;
    for wrong in [
        json!("L"),
        json!("s"),
        json!(""),
        json!("Small"),
        json!(1),
        json!(null),
    ] {
        assert_refused(
            &mut client,
            "it.Shirt",
            "size",
            wrong,
            r#"one of ["S", "M"]"#,
        )
        .await;
    }
    shirt(1, shirt::Size::Small, None)
        .insert(&live.db())
        .await
        .unwrap();
    assert_eq!(client.receive_json().await["action"], "CREATED");
    shirt(1, shirt::Size::Medium, None)
        .update(&live.db())
        .await
        .unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
}

async fn integer_enumeration_is_a_key(engine: Engine) {
    let (db, _database) = database_of(engine).await;
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(shirt::Entity);
    db.execute(&table).await.unwrap();
    let live = Live::builder(db).build().unwrap();
    let mut client = Client::connect(&live, ());
    subscribe(&mut client, "it.Shirt", "level", json!(20)).await;
    for wrong in [json!(2), json!(1.5), json!("High"), json!(null)] {
        assert_refused(&mut client, "it.Shirt", "level", wrong, "one of [1, 20]").await;
    }
    let high = shirt(1, shirt::Size::Small, Some(shirt::Level::High));
    high.insert(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "CREATED");
    let low = shirt(1, shirt::Size::Small, Some(shirt::Level::Low));
    low.update(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
}

async fn primary_key_may_be_an_enumeration(engine: Engine) {
    let (db, _database) = database_of(engine).await;
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(shelf::Entity);
    db.execute(&table).await.unwrap();
    let live = Live::builder(db).build().unwrap();
    let mut client = Client::connect(&live, ());
    subscribe(&mut client, "it.ShelfOfShirts", "pk", json!("M")).await;
    assert_refused(
        &mut client,
        "it.ShelfOfShirts",
        "pk",
        json!("L"),
        r#"one of ["S", "M"]"#,
    )
    .await;
    let shelf = |count| shelf::ActiveModel {
        size: Set(shirt::Size::Medium),
        count: Set(count),
    };
    shelf(1).insert(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "CREATED");
    shelf(2).update(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "UPDATED");
    shelf(2).delete(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
}

async fn database_enumeration_is_a_key(engine: Engine) {
    let (db, _database) = database_of(engine).await;
    let live = Live::builder(db).build().unwrap();
    let mut client = Client::connect(&live, ());
    subscribe(&mut client, "it.Ticket", "state", json!("open")).await;
    let values = r#"one of ["open", "shut"]"#;
    assert_refused(&mut client, "it.Ticket", "state", json!("ajar"), values).await;
    let ticket = |state| ticket::ActiveModel {
        id: Set(1),
        state: Set(state),
    };
    ticket(ticket::State::Open)
        .insert(&live.db())
        .await
        .unwrap();
    assert_eq!(client.receive_json().await["action"], "CREATED");
    ticket(ticket::State::Shut)
        .update(&live.db())
        .await
        .unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
}
