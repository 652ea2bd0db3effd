#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[derive(Serialize)]
enum TaskSerializer {
    Open { id: i32 },
    Done { id: i32 },
}

fn main() {}
