#[live_row(entity = task::Entity, crate = vendored::rest_live)]
#[derive(Clone, Serialize)]
#[live_row(group_key = "list_id")]
#[subscribable(group_key = "done")]
pub struct TaskSerializer {
    pub id: i32,
}
