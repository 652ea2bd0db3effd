#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, colour = "red", hooks = 1)]
#[subscribable(group_key = "done", grup_key = "list_id")]
#[subscribable(group_key = "done", model = "task")]
#[derive(Serialize)]
struct TaskSerializer(i32);

// What uses the serializer and the entity is no mistake of its own.
fn show(task: &task::Model) -> TaskSerializer {
    task.into()
}

fn main() {}
