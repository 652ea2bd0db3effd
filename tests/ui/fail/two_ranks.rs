#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, rank = 1)]
#[subscribable(group_key = "list_id", rank = -1)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
