#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct User;

struct Other;

fn may_see(_user: &User, other: &Other) -> bool {
    true
}

#[subscribable(entity = task::Entity, check_permission = may_see)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
