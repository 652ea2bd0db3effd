#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use sea_orm::DerivePartialModel;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
struct TaskSerializer {
    id: i32,
    #[sea_orm(from_col = "list-id")]
    list: i32,
}

fn main() {}
