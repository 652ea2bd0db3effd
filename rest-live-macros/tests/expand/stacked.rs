#[subscribable]
#[subscribable(group_key = "list_id", secret = ["text", "password_hash"])]
#[derive(Clone, Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
pub struct TaskSerializer {
    pub id: i32,
    #[sea_orm(from_col = "text")]
    pub title: String,
    #[cfg(feature = "colors")]
    pub color: String,
    #[sea_orm(skip)]
    pub tags: Vec<String>,
}
