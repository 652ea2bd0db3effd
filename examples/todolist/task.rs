//! A task of a list.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    // MySQL's and MariaDB's strings are 255 characters long unless something else is said.
    #[sea_orm(column_type = "String(StringLen::N(1000))")]
    pub text: String,
    pub done: bool,
    #[sea_orm(indexed)]
    pub list_id: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    // Checked by the application (`api::lists::require`), not by a foreign key: `move_tasks` shows
    // what a rollback does to changes that were already written.
    #[sea_orm(
        belongs_to = "super::list::Entity",
        from = "Column::ListId",
        to = "super::list::Column::Id",
        skip_fk
    )]
    List,
}

impl Related<super::list::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::List.def()
    }
}
