#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use sea_orm::DatabaseConnection;
use serde::Serialize;

struct User;

async fn may_see_list(_user: &User, list: f64, _db: &DatabaseConnection) -> bool {
    list == 1.0
}

#[subscribable(entity = task::Entity, group_key = "list_id", authorize = may_see_list)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
