#[path = "../entities.rs"]
mod entities;

use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = entities::tsk::Entity)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
