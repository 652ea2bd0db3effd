//! The sources of serializer fields, and field names that are keywords.

use rest_live::{
    __private::{GroupColumn, GroupKey},
    Subscribable, subscribable,
};
use sea_orm::DerivePartialModel;
use serde::Serialize;

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub r#type: String,
        pub r#ref: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable]
#[subscribable(group_key = "type")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "item::Entity")]
struct ItemSerializer {
    id: i64,
    #[sea_orm(from_col = "title")]
    name: Option<String>,
    #[sea_orm(from_col = "ref")]
    reference: i32,
    r#type: String,
    #[sea_orm(skip)]
    open_in_tabs: u8,
    #[cfg(any())]
    absent: Absent,
    #[cfg(all())]
    #[sea_orm(from_col = "id")]
    #[serde(rename = "number")]
    present: i32,
}

fn main() {
    let item = ItemSerializer::from(&item::Model {
        id: 1,
        title: "Tea".to_owned(),
        r#type: "drink".to_owned(),
        r#ref: 7,
    });
    assert_eq!(item.id, 1);
    assert_eq!(item.name.as_deref(), Some("Tea"));
    assert_eq!(item.reference, 7);
    assert_eq!(item.r#type, "drink");
    assert_eq!(item.open_in_tabs, 0);
    assert_eq!(item.present, 1);

    let group = &ItemSerializer::DECLARATION.groups[1];
    assert!(matches!(
        group.group_key,
        GroupKey::Columns([GroupColumn { name: "type", column: item::Column::Type, .. }])
    ));
}
