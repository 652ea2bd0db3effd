//! Secret columns: two attributes may name the same ones, and the serializer may show them.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, subscribable};
use sea_orm::DerivePartialModel;
use serde::Serialize;

#[subscribable(secret = ["text", "done"])]
#[subscribable(group_key = "list_id", secret = ["text", "done"])]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
struct TaskSerializer {
    id: i32,
    text: String,
}

fn main() {
    let secret = TaskSerializer::DECLARATION.secret;
    assert!(matches!(secret, [task::Column::Text, task::Column::Done]));
}
