#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, color = "red", hooks = 1)]
#[subscribable(group_key = "done", grup_key = "list_id")]
#[subscribable(group_key = "done", model = "task")]
#[derive(Serialize)]
struct TaskSerializer(i32);

// Code that uses the serializer and the entity causes no further errors.
fn show(task: &task::Model) -> TaskSerializer {
    task.into()
}

fn main() {}
