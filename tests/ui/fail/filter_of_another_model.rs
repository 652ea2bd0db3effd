#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct Other;

fn is_listed(other: &Other) -> bool {
    true
}

#[subscribable(entity = task::Entity, filter = is_listed)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
