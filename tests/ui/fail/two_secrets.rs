#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, secret = ["text"])]
#[subscribable(group_key = "list_id", secret = ["text", "done"])]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
