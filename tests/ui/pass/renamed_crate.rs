//! `crate = path` for an application that uses a re-export of rest-live.

mod vendor {
    pub use rest_live as live;
}

mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live(crate = crate::vendor::live)]
    impl ActiveModelBehavior for ActiveModel {}
}

#[path = "../entities.rs"]
mod entities;

use entities::task;
use serde::Serialize;
use vendor::live::{Subscribable, subscribable, subscribable as live_row};

#[subscribable(entity = task::Entity, crate = vendor::live)]
#[subscribable(group_key = "list_id")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

#[live_row(entity = note::Entity, hooks = false)]
#[live_row(group_key = "id", crate = "crate::vendor::live")]
#[derive(Serialize)]
struct NoteSerializer {
    id: i32,
}

fn main() {
    assert_eq!(TaskSerializer::DECLARATION.groups.len(), 2);
    assert_eq!(NoteSerializer::DECLARATION.groups.len(), 2);
}
