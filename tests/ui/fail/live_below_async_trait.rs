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

    #[async_trait::async_trait]
    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Ok(self)
        }

        async fn after_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Ok(self)
        }
    }
}

use rest_live::subscribable;
use serde::Serialize;

#[subscribable(entity = task::Entity, hooks = false)]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
