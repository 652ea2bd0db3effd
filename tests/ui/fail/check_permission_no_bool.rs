#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct User;

fn may_see(_user: &User, task: &task::Model) -> Option<i32> {
    Some(task.list_id)
}

#[subscribable(entity = task::Entity, check_permission = may_see)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
