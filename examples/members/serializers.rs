//! How rows look to clients, over REST and over the websocket alike.

use rest_live::subscribable;
use serde::Serialize;

use crate::{list, membership, permissions, task, viewer::Viewer};

/// A task, for who is signed in. The first of the two that a viewer may have is taken: `rank = 1`.
///
/// Everybody may subscribe to a task by its key, for hearing nothing says nothing. Subscribing to the
/// tasks of a list is answered, and so asked about: `authorize`.
#[subscribable(entity = task::Entity, check_permission = permissions::sees_task_signed_in, rank = 1, public)] // {"model":"members.Task","pk":1}
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)] // {"model":"members.Task","list_id":1}
#[derive(Clone, Debug, Serialize)]
pub struct TaskSerializer {
    pub id: i32,
    pub text: String,
    pub done: bool,
}

/// A task, for who is not: nobody's business who has done what.
#[subscribable(entity = task::Entity, check_permission = permissions::sees_task, public, hooks = false)]
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[derive(Clone, Debug, Serialize)]
pub struct AnonymousTaskSerializer {
    pub id: i32,
    pub text: String,
}

#[subscribable(entity = list::Entity, check_permission = permissions::sees_list, authorize = permissions::may_see_list)] // {"model":"members.List","pk":1}
#[subscribable(group_key = "public", public)] // {"model":"members.List","public":true}
#[derive(Clone, Debug, Serialize)]
pub struct ListSerializer {
    pub id: i32,
    pub name: String,
    pub public: bool,
}

#[subscribable(entity = membership::Entity, check_permission = permissions::sees_membership, group_key = "list_id", authorize = permissions::is_member)] // {"model":"members.Membership","list_id":1}
#[subscribable(group_key = "name", authorize = permissions::is_own_name)] // {"model":"members.Membership","name":"ada"}
#[derive(Clone, Debug, Serialize)]
pub struct MembershipSerializer {
    pub list_id: i32,
    pub name: String,
}

/// A task as the websocket would show it: the same permissions, in the order of the ranks.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum TaskView {
    SignedIn(TaskSerializer),
    Anonymous(AnonymousTaskSerializer),
}

impl TaskView {
    /// `None` is a task that this viewer may not see.
    pub fn of(viewer: &Viewer, task: &task::Model) -> Option<Self> {
        if permissions::sees_task_signed_in(viewer, task) {
            Some(Self::SignedIn(task.into()))
        } else if permissions::sees_task(viewer, task) {
            Some(Self::Anonymous(task.into()))
        } else {
            None
        }
    }
}

/// A list with its tasks: for REST only, since it shows more than one row.
#[derive(Clone, Debug, Serialize)]
pub struct TodoListSerializer {
    #[serde(flatten)]
    pub list: ListSerializer,
    pub tasks: Vec<TaskView>,
}
