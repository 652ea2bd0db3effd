use rest_live::subscribable;
use sea_orm::DerivePartialModel;
use serde::Serialize;

#[subscribable]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "the tasks")]
struct TaskSerializer {
    id: i32,
}

fn main() {}
