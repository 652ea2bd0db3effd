#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use serde::Serialize;

struct User;

async fn may_see_list(_user: &User, list: i32) -> bool {
    list == 1
}

#[subscribable(entity = task::Entity, group_key = "list_id", authorize = may_see_list)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
