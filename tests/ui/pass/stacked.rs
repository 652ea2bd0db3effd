//! A stack of attributes in any order, with derives between them.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, __private::GroupKey, subscribable};
use sea_orm::DerivePartialModel;
use serde::Serialize;

#[subscribable]
#[derive(Clone, Serialize)]
#[subscribable(group_key = "list_id")]
#[derive(DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
#[subscribable(group_key = "done")]
struct TaskSerializer {
    id: i32,
    text: String,
}

fn main() {
    let task = TaskSerializer::from(&task::Model {
        id: 1,
        text: "milk".to_owned(),
        done: false,
        list_id: 2,
    });
    assert_eq!((task.id, task.text.as_str()), (1, "milk"));
    let keys = TaskSerializer::DECLARATION
        .groups
        .iter()
        .map(|group| match group.group_key {
            GroupKey::PrimaryKey { .. } => None,
            GroupKey::Columns(columns) => Some(columns.iter().map(|c| c.name).collect::<Vec<_>>()),
        });
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [None, Some(vec!["list_id"]), Some(vec!["done"])]
    );
}
