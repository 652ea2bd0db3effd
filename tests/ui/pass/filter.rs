//! The argument `filter`, alone and with `check_permission`.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, subscribable};
use serde::Serialize;

struct User;

mod visibility {
    use super::task;

    pub fn is_listed(task: &task::Model) -> bool {
        !task.done
    }
}

fn may_see(_: &User, _: &task::Model) -> bool {
    true
}

#[subscribable(entity = task::Entity, filter = visibility::is_listed)]
#[subscribable(group_key = "list_id", filter = "visibility::is_listed")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

#[subscribable(entity = task::Entity, hooks = false, rank = 1, check_permission = may_see, filter = visibility::is_listed)]
#[derive(Serialize)]
struct PermittedSerializer {
    id: i32,
}

fn main() {
    assert!(TaskSerializer::DECLARATION.filter.is_some());
    assert!(TaskSerializer::DECLARATION.check_permission.is_none());
    assert!(PermittedSerializer::DECLARATION.filter.is_some());
    assert!(PermittedSerializer::DECLARATION.check_permission.is_some());
}
