#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(all, entity = task::Entity)]
#[subscribable(group_key = ["list_id", "done"])]
#[subscribable(group_key = "list_id")]
#[subscribable(group_key = ["done", "list_id"])]
#[subscribable(group_key = ["list_id"])]
#[subscribable(all)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
