//! The JSON of each row, in REST responses and in websocket messages.

use rest_live::subscribable;
use serde::Serialize;

use crate::{list, membership, permissions, task, viewer::Viewer};

/// A task, for viewers who are signed in. Two serializers show a task. rest-live uses the one with
/// the highest `rank` whose permission passes for the viewer.
///
/// Every viewer may subscribe to one task (`public`): if they may not see the task, they receive
/// nothing, which reveals nothing. A viewer may subscribe to the tasks of a list only if
/// `authorize` allows it.
// NEW: {"model":"members.Task","pk":1}
#[subscribable(
    entity = task::Entity,
    model = "members.Task",
    check_permission = permissions::sees_task_signed_in,
    rank = 1,
    public,
)]
// NEW: {"model":"members.Task","list_id":1}
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[derive(Clone, Debug, Serialize)]
pub struct TaskSerializer {
    pub id: i32,
    pub text: String,
    pub done: bool,
}

/// A task, for anonymous viewers: it hides what is done.
// NEW: one serializer of a model writes its hooks, so this one has `hooks = false`
#[subscribable(
    entity = task::Entity,
    model = "members.Task",
    check_permission = permissions::sees_task,
    public,
    hooks = false,
)]
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[derive(Clone, Debug, Serialize)]
pub struct AnonymousTaskSerializer {
    pub id: i32,
    pub text: String,
}

// NEW: {"model":"members.List","pk":1}
#[subscribable(
    entity = list::Entity,
    model = "members.List",
    check_permission = permissions::sees_list,
    authorize = permissions::may_see_list,
)]
// NEW: {"model":"members.List","public":true}
#[subscribable(group_key = "public", public)]
#[derive(Clone, Debug, Serialize)]
pub struct ListSerializer {
    pub id: i32,
    pub name: String,
    pub public: bool,
}

// NEW: {"model":"members.Membership","list_id":1}
#[subscribable(
    entity = membership::Entity,
    model = "members.Membership",
    group_key = "list_id",
    check_permission = permissions::sees_membership,
    authorize = permissions::is_member,
)]
// NEW: {"model":"members.Membership","name":"ada"}
#[subscribable(group_key = "name", authorize = permissions::is_own_name)]
#[derive(Clone, Debug, Serialize)]
pub struct MembershipSerializer {
    pub list_id: i32,
    pub name: String,
}

/// A task in REST responses, in the same form as on the websocket: the same permissions, tried in
/// the order of the ranks.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum TaskView {
    SignedIn(TaskSerializer),
    Anonymous(AnonymousTaskSerializer),
}

impl TaskView {
    /// Returns `None` for a task that the viewer may not see.
    pub fn of(viewer: &Viewer, task: &task::Model) -> Option<Self> {
        if permissions::sees_task_signed_in(viewer, task) {
            Some(Self::SignedIn(task.into()))
        } else if permissions::sees_task(viewer, task) {
            Some(Self::Anonymous(task.into()))
        } else {
            None
        }
    }

    pub fn of_all(viewer: &Viewer, tasks: &[task::Model]) -> Vec<Self> {
        let views = tasks.iter().filter_map(|task| Self::of(viewer, task));
        views.collect()
    }
}

/// A list with its tasks, for REST only: it shows several rows.
#[derive(Clone, Debug, Serialize)]
pub struct TodoListSerializer {
    #[serde(flatten)]
    pub list: ListSerializer,
    pub tasks: Vec<TaskView>,
}
