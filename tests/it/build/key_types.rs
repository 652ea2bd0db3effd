//! Key columns whose declared type and Rust type differ.

use rest_live::{Live, RegistryError, subscribable, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, entity::prelude::*};
use serde::Serialize;
use serde_json::{Value, json};

use super::{group, registry_errors};
use crate::support::database;

/// A model whose declared column types do not fit its fields.
mod misfit {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "misfit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(column_type = "Integer")]
        pub list: String,
        #[sea_orm(column_type = "Text")]
        pub device: Uuid,
        #[sea_orm(column_type = "Uuid")]
        pub owner: Option<String>,
        #[sea_orm(column_type = "TinyInteger")]
        pub done: bool,
        #[sea_orm(column_type = "custom(\"citext\")")]
        pub weight: f64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model whose declared column types differ from its fields, but hold the same values.
mod fitting {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "fitting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(column_type = "BigInteger")]
        pub site: i32,
        #[sea_orm(column_type = "Integer")]
        pub room: i64,
        #[sea_orm(column_type = "custom(\"citext\")")]
        pub slug: String,
        #[sea_orm(column_type = "custom(\"tinyint(1)\")")]
        pub open: bool,
        #[sea_orm(column_type = "Binary(16)")]
        pub token: Uuid,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model with a composite primary key, a part of which does not fit.
mod misfit_pair {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "misfit_pair")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub team: i32,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub person: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

unlinked!(ByWrongColumns, misfit::Entity, model: None, rank: 0, check_permission: None, groups: &[
    group(key!("list": misfit::Column::List)),
    group(key!("device": misfit::Column::Device)),
    group(key!("owner": misfit::Column::Owner)),
    group(key!("done": misfit::Column::Done)),
    group(key!("weight": misfit::Column::Weight)),
]);
unlinked!(ByWrongPair, misfit_pair::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!())]);
unlinked!(ByFittingColumns, fitting::Entity, model: Some("it.Fitting"), rank: 0, check_permission: None, groups: &[
    group(key!("site": fitting::Column::Site)),
    group(key!("room": fitting::Column::Room)),
    group(key!("slug": fitting::Column::Slug)),
    group(key!("open": fitting::Column::Open)),
    group(key!("token": fitting::Column::Token)),
]);

#[tokio::test]
async fn declared_and_rust_type_must_fit() {
    let errors = registry_errors(|b| b.register::<ByWrongColumns>()).await;
    let found: Vec<_> = errors
        .iter()
        .map(|error| match error {
            RegistryError::KeyType {
                column,
                declared,
                field,
                ..
            } => (*column, declared.as_str(), field.as_str()),
            RegistryError::NotAKey {
                group_key, column, ..
            } => (group_key.as_str(), "", column.as_str()),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("list", "Integer", "String"),
            ("device", "Text", "Uuid"),
            ("owner", "Uuid", "String"),
            ("done", "TinyInteger", "bool"),
            ("weight", "", "`weight` is f64"),
        ]
    );
    let text = errors[0].to_string();
    for part in ["by `list`", "as Integer", "is a String", "column_type"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn each_part_of_a_primary_key_must_fit() {
    let errors = registry_errors(|b| b.register::<ByWrongPair>()).await;
    let [
        RegistryError::KeyType {
            group_key,
            column: "person",
            ..
        },
    ] = &errors[..]
    else {
        panic!("{errors:?}")
    };
    assert_eq!(group_key, "pk");
}

/// Integers of another width, types of the database, and UUIDs in bytes are compared as the model
/// holds them.
#[tokio::test]
async fn fitting_types_reach_their_subscribers() {
    let (db, _database) = database().await;
    let table =
        sea_orm::Schema::new(db.get_database_backend()).create_table_from_entity(fitting::Entity);
    db.execute(&table).await.unwrap();
    let builder = Live::builder(db).discover(false);
    let live = builder.register::<ByFittingColumns>().build().unwrap();
    let token = Uuid::from_u128(7);
    let groups = [
        ("site", json!(i32::MAX)),
        ("room", json!(i64::MAX)),
        ("slug", json!("a")),
        ("open", json!(true)),
        ("token", json!(token)),
    ];
    let mut client = Client::connect(&live, ());
    for (key, value) in groups.clone() {
        let request = json!({"id": key, "model": "it.Fitting", "group": {key: value}});
        client.send_json(request).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");
    }
    // No row can hold this value, although the column could.
    let request = json!({"id": 1, "model": "it.Fitting", "group": {"site": i64::MAX}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["error"], "bad_value");
    let row = fitting::ActiveModel {
        id: Set(1),
        site: Set(i32::MAX),
        room: Set(i64::MAX),
        slug: Set("a".to_owned()),
        open: Set(true),
        token: Set(token),
    };
    row.insert(&live.db()).await.unwrap();
    assert_eq!(
        received_in(&mut client, groups.len()).await,
        sorted(&groups)
    );
}

/// A model whose columns SeaORM names otherwise than its fields.
mod renamed {
    #![allow(
        non_snake_case,
        reason = "SeaORM generates code with the name of the field"
    )]

    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "renamed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, enum_name = "Key")]
        pub id: i32,
        #[sea_orm(column_name = "ListID")]
        pub list_id: i32,
        #[sea_orm(enum_name = "Owner", column_name = "OWNER")]
        pub owned_by: String,
        pub SiteID: i64,
        pub r#type: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity)]
    #[subscribable(group_key = "list_id")]
    #[subscribable(group_key = "owned_by", column = Owner)]
    #[subscribable(group_key = "SiteID", column = Column::SiteId)]
    #[subscribable(group_key = "type")]
    #[derive(Serialize)]
    pub struct RenamedSerializer {
        id: i32,
    }
}

#[tokio::test]
async fn renamed_columns_are_keys() {
    let (db, _database) = database().await;
    let table =
        sea_orm::Schema::new(db.get_database_backend()).create_table_from_entity(renamed::Entity);
    db.execute(&table).await.unwrap();
    let builder = Live::builder(db).discover(false);
    let live = builder
        .register::<renamed::RenamedSerializer>()
        .build()
        .unwrap();
    let groups = [
        ("pk", json!(1)),
        ("list_id", json!(2)),
        ("owned_by", json!("ada")),
        ("SiteID", json!(3)),
        ("type", json!("a")),
    ];
    let mut client = Client::connect(&live, ());
    for (key, value) in groups.clone() {
        let request = json!({"id": key, "model": "it.Renamed", "group": {key: value}});
        client.send_json(request).await;
        let answer = client.receive_json().await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
    }
    let row = |list_id| renamed::ActiveModel {
        id: Set(1),
        list_id: Set(list_id),
        owned_by: Set("ada".to_owned()),
        SiteID: Set(3),
        r#type: Set("a".to_owned()),
    };
    row(2).insert(&live.db()).await.unwrap();
    assert_eq!(
        received_in(&mut client, groups.len()).await,
        sorted(&groups)
    );
    // The old row is read, because the update sets a group column.
    row(4).update(&live.db()).await.unwrap();
    for _ in groups {
        let message = client.receive_json().await;
        let has_moved = message["group"] == json!({"list_id": 2});
        let action = if has_moved { "DELETED" } else { "UPDATED" };
        assert_eq!(message["action"], action, "{message}");
    }
}

/// Returns the groups of the next broadcasts.
async fn received_in(client: &mut Client, count: usize) -> Vec<String> {
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(client.receive_json().await["group"].to_string());
    }
    groups.sort();
    groups
}

fn sorted(groups: &[(&str, Value)]) -> Vec<String> {
    let groups = groups
        .iter()
        .map(|(key, value)| json!({*key: value}).to_string());
    let mut groups: Vec<_> = groups.collect();
    groups.sort();
    groups
}
