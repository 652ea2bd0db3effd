mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, hooks = false)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
