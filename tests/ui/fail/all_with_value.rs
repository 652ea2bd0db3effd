#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[subscribable(all = true)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
