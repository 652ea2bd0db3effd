#[subscribable(all, public, entity = task::Entity)]
#[subscribable(group_key = ["list_id", "done"], authorize = may_see)]
#[subscribable(group_key = ["Kind"], column = [Column::TaskKind])]
#[derive(Clone, Serialize)]
pub struct TaskSerializer {
    pub id: i32,
}
