#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[subscribable(group_key = ["list_id", "done"], column = ListId)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
