//! `from_model = false`: the user writes the conversion, and fields may come from anywhere.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{Subscribable, subscribable};
use sea_orm::{ColumnTrait, DerivePartialModel};
use serde::Serialize;

#[subscribable(from_model = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
struct TaskSerializer {
    #[sea_orm(from_expr = "task::Column::Text.max()")]
    shout: String,
}

impl From<&task::Model> for TaskSerializer {
    fn from(task: &task::Model) -> Self {
        Self {
            shout: task.text.to_uppercase(),
        }
    }
}

fn main() {
    let task = task::Model {
        id: 1,
        text: "milk".to_owned(),
        done: false,
        list_id: 2,
    };
    assert_eq!(TaskSerializer::from_row(&task).shout, "MILK");
}
