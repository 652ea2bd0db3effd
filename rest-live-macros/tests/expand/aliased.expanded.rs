#[derive(Clone, Serialize)]
#[live_row(group_key = "list_id")]
#[vendored::rest_live::__private::__collected(
    (entity = task::Entity, crate = vendored::rest_live),
    (group_key = "done")
)]
pub struct TaskSerializer {
    pub id: i32,
}
