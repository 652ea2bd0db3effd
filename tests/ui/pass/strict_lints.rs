//! Generated code causes no warnings in a crate with strict lints.

#![deny(
    warnings,
    future_incompatible,
    missing_debug_implementations,
    missing_docs,
    nonstandard_style,
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    unreachable_pub,
    unsafe_code,
    unused,
    unused_lifetimes,
    unused_qualifications
)]

use rest_live::subscribable;
use serde::Serialize;

mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
}

mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Ok(self)
        }
    }
}

#[subscribable(entity = task::Entity)]
#[subscribable(group_key = "id", check_permission = may_see)]
#[derive(Debug, Serialize)]
struct TaskSerializer {
    id: i32,
}

#[subscribable(entity = note::Entity, hooks = false)]
#[derive(Debug, Serialize)]
struct NoteSerializer {
    id: i32,
}

fn may_see(_user: &(), _task: &task::Model) -> bool {
    true
}

fn main() {
    assert_eq!(TaskSerializer::from(&task::Model { id: 1 }).id, 1);
    assert_eq!(NoteSerializer::from(&note::Model { id: 2 }).id, 2);
}
