#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

impl From<&task::Model> for TaskSerializer {
    fn from(row: &task::Model) -> Self {
        Self { id: row.id }
    }
}

fn main() {}
