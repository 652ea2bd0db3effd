#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct User;

fn is_listed(_: &User, task: &task::Model) -> bool {
    task.done
}

#[subscribable(entity = task::Entity, filter = is_listed)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
