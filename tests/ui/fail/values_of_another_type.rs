#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(
    group_key = 1,
    entity = task::Entity,
    model = Task,
    check_permission = |_, _| true,
    authorize = "not a path",
    filter = |_| true,
    public = true,
    rank = "high",
    secret = 7,
    hooks = "false",
    from_model = 0,
    crate = 3,
)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
