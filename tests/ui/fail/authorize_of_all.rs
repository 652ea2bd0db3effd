#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use sea_orm::DatabaseConnection;
use serde::Serialize;

struct User;

async fn may_see_all(_: &User, _: &DatabaseConnection) -> bool {
    true
}

async fn may_see(_: &User, _: [i32; 2], _: &DatabaseConnection) -> bool {
    true
}

#[subscribable(all, entity = task::Entity, authorize = may_see_all)]
#[subscribable(group_key = ["id", "list_id"], authorize = may_see)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
