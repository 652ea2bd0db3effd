//! An entity in SeaORM's dense format, where models contain relations.

use rest_live::{Subscribable, subscribable};
use sea_orm::DerivePartialModel;
use serde::Serialize;

mod list {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "list")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many)]
        pub tasks: HasMany<super::task::Entity>,
    }
}

mod task {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub list_id: Option<i32>,
        #[sea_orm(belongs_to, from = "list_id", to = "id")]
        pub list: HasOne<super::list::Entity>,
    }

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

#[subscribable]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "list::Entity")]
struct ListSerializer {
    id: i32,
    name: String,
}

#[subscribable(hooks = false)]
#[subscribable(group_key = "list_id")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
struct TaskSerializer {
    id: i32,
    list_id: Option<i32>,
}

fn main() {
    let list = ListSerializer::from(&list::Model {
        id: 1,
        name: "shopping".to_owned(),
    });
    assert_eq!((list.id, &*list.name), (1, "shopping"));
    assert_eq!(TaskSerializer::DECLARATION.groups.len(), 2);
}
