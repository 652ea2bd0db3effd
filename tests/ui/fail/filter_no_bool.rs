#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

fn is_listed(task: &task::Model) -> Option<bool> {
    Some(task.done)
}

#[subscribable(entity = task::Entity, filter = is_listed)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
