//! The arguments of permissions and ranks.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, subscribable};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;

struct User;

mod permissions {
    use super::*;

    pub fn may_see(_user: &User, task: &task::Model) -> bool {
        task.done
    }

    pub async fn may_see_list(_user: &User, _list: i32, _db: &DatabaseConnection) -> Result<bool, DbErr> {
        Ok(true)
    }

    pub async fn always(_: &User, _: rest_live::auth::KeyValue, _: &DatabaseConnection) -> bool {
        true
    }
}

#[subscribable(entity = task::Entity, check_permission = permissions::may_see, public, rank = -1)]
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[subscribable(group_key = "done", authorize = "permissions::always", check_permission = "permissions::may_see")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {
    let declaration = TaskSerializer::DECLARATION;
    assert_eq!(declaration.rank, -1);
    assert!(declaration.check_permission.is_some());
    let groups = declaration.groups.iter();
    let groups: Vec<_> = groups
        .map(|group| (group.public, group.authorize.is_some()))
        .collect();
    assert_eq!(groups, [(true, false), (false, true), (false, true)]);
}
