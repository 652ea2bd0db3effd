#[subscribable(
    entity = task::Entity,
    model = "todolist.Task",
    hooks = false,
    from_model = false,
    check_permission = permissions::may_see,
    filter = is_listed,
    public,
    rank = -1,
)]
#[subscribable(group_key = "list_id", authorize = permissions::may_see_list)]
#[derive(Serialize)]
pub struct TaskSerializer {
    pub id: i32,
}
