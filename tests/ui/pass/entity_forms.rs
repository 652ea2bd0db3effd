//! The argument `entity`: a path of any length, a path in a string, or SeaORM's own attribute.

#[path = "../entities.rs"]
mod entities;

use std::any::TypeId;

use entities::task::{self, Entity};
use rest_live::{Subscribable, subscribable};
use sea_orm::DerivePartialModel;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[subscribable(group_key = "list_id", entity = "task::Entity")]
#[derive(Serialize)]
struct Path {
    id: i32,
}

#[subscribable(entity = "crate::entities::task::Entity", hooks = false)]
#[derive(Serialize)]
struct Text {
    id: i32,
}

#[subscribable(hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
struct SeaOrm {
    id: i32,
}

mod deeper {
    use super::*;

    #[subscribable(entity = super::task::Entity, hooks = false)]
    #[derive(Serialize)]
    pub struct Relative {
        id: i32,
    }
}

fn is_of_tasks<S: Subscribable>() -> bool {
    TypeId::of::<S::Entity>() == TypeId::of::<task::Entity>()
}

fn main() {
    assert!(is_of_tasks::<Path>());
    assert!(is_of_tasks::<Text>());
    assert!(is_of_tasks::<SeaOrm>());
    assert!(is_of_tasks::<deeper::Relative>());
}
