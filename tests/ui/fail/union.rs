#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;

#[subscribable(entity = task::Entity)]
union TaskSerializer {
    id: i32,
}

fn main() {}
