#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

fn is_listed(task: &task::Model) -> bool {
    task.done
}

fn is_published(task: &task::Model) -> bool {
    task.done
}

#[subscribable(entity = task::Entity, filter = is_listed)]
#[subscribable(group_key = "list_id", filter = is_published)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
