//! Columns that SeaORM names otherwise than their fields, and enumerations as keys.

#![deny(warnings)]

use rest_live::{__private::GroupKey, Subscribable, subscribable};
use serde::Serialize;

mod task {
    #![allow(non_snake_case, reason = "SeaORM generates code with the name of the field")]

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub enum State {
        #[sea_orm(string_value = "open")]
        Open,
        #[sea_orm(string_value = "shut")]
        Shut,
    }

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key, enum_name = "Key")]
        pub id: i32,
        #[sea_orm(column_name = "ListID")]
        pub list_id: i32,
        #[sea_orm(enum_name = "Owner")]
        pub owned_by: String,
        pub SiteID: i64,
        pub r#type: State,
        pub former: Option<State>,
        #[sea_orm(enum_name = "Pin")]
        pub pin_code: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(entity = task::Entity, secret = [task::Column::Pin])]
#[subscribable(group_key = "list_id")]
#[subscribable(group_key = "owned_by", column = Owner)]
#[subscribable(group_key = "SiteID", column = task::Column::SiteId)]
#[subscribable(group_key = "type")]
#[subscribable(group_key = "former")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {
    let declaration = TaskSerializer::DECLARATION;
    let groups = declaration.groups.iter();
    let columns = groups.filter_map(|group| match &group.group_key {
        GroupKey::Columns([column]) => Some(column),
        _ => None,
    });
    let columns: Vec<_> = columns.collect();
    let keys: Vec<_> = columns.iter().map(|column| (column.name, column.column)).collect();
    assert!(matches!(
        keys[..],
        [
            ("list_id", task::Column::ListId),
            ("owned_by", task::Column::Owner),
            ("SiteID", task::Column::SiteId),
            ("type", task::Column::Type),
            ("former", task::Column::Former),
        ]
    ));
    assert!(matches!(declaration.secret, [task::Column::Pin]));
    let choices = columns.iter().map(|column| (column.choices)().map(|c| c.len()));
    let choices: Vec<_> = choices.collect();
    assert_eq!(choices, [None, None, None, Some(2), Some(2)]);
}
