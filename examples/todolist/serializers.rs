//! The JSON of each row, in REST responses and in websocket messages.

use rest_live::subscribable;
use sea_orm::DerivePartialModel;
use serde::Serialize;

use crate::{list, task};

// NEW: clients subscribe to one task with {"model":"todolist.Task","pk":1}, to the tasks of a list
// with {"model":"todolist.Task","list_id":1}, and to its open tasks with
// {"model":"todolist.Task","list_id":1,"done":false}.
#[subscribable(model = "todolist.Task")]
#[subscribable(group_key = "list_id")]
#[subscribable(group_key = ["list_id", "done"])]
#[derive(Clone, Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
pub struct TaskSerializer {
    pub id: i32,
    pub text: String,
    pub done: bool,
}

#[subscribable(model = "todolist.List")] // NEW: one list: {"model":"todolist.List","pk":1}
#[subscribable(all)] // NEW: all lists: {"model":"todolist.List"}
#[derive(Clone, Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "list::Entity")]
pub struct ListSerializer {
    pub id: i32,
    pub name: String,
}

/// A list with its tasks, for REST only: it shows several rows.
#[derive(Clone, Debug, Serialize)]
pub struct TodoListSerializer {
    #[serde(flatten)]
    pub list: ListSerializer,
    pub tasks: Vec<TaskSerializer>,
}
