//! The arguments of permissions and ranks.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, subscribable};
use serde::Serialize;

mod permissions {
    use super::task;

    pub fn may_see(_user: &(), task: &task::Model) -> bool {
        task.done
    }

    pub async fn may_see_list(_user: &(), _list: i32) -> bool {
        true
    }
}

#[subscribable(entity = task::Entity, check_permission = permissions::may_see, public, rank = -1)]
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[subscribable(group_key = "done", public, check_permission = "permissions::may_see")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {
    let declaration = TaskSerializer::DECLARATION;
    assert_eq!(declaration.rank, -1);
    assert!(declaration.check_permission);
    let groups = declaration.groups.iter();
    let groups: Vec<_> = groups
        .map(|group| (group.public, group.authorize))
        .collect();
    assert_eq!(groups, [(true, false), (false, true), (true, false)]);
}
