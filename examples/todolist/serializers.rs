//! How rows look to clients, over REST and over the websocket alike.

use rest_live::subscribable;
use sea_orm::DerivePartialModel;
use serde::Serialize;

use crate::{list, task};

#[subscribable] // {"model":"todolist.Task","pk":1}
#[subscribable(group_key = "list_id")] // {"model":"todolist.Task","list_id":1}
#[derive(Clone, Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
pub struct TaskSerializer {
    pub id: i32,
    pub text: String,
    pub done: bool,
}

#[subscribable] // {"model":"todolist.List","pk":1}
#[derive(Clone, Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "list::Entity")]
pub struct ListSerializer {
    pub id: i32,
    pub name: String,
}

/// A list with its tasks: for REST only, since it shows more than one row.
#[derive(Clone, Debug, Serialize)]
pub struct TodoListSerializer {
    pub id: i32,
    pub name: String,
    pub tasks: Vec<TaskSerializer>,
}
