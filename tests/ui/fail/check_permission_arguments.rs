#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct User;

fn may_see(task: &task::Model) -> bool {
    task.done
}

#[subscribable(entity = task::Entity, check_permission = may_see)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
