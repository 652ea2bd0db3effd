#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, model = "todo.Task")]
#[subscribable(group_key = "list_id", model = "todolist.Task")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
