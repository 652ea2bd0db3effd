#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::subscribable;
use sea_orm::DatabaseConnection;
use serde::Serialize;

struct User;

async fn may_see_list(_user: &User, list: i32, _db: &DatabaseConnection) -> String {
    list.to_string()
}

#[subscribable(entity = task::Entity, group_key = "list_id", authorize = may_see_list)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
