//! A model with three keys: `authorize` queries the database, returns at once, or is missing.

use rest_live::subscribable;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, Schema,
};
use serde::Serialize;

/// A user. It has no rights of its own.
#[derive(Clone, Copy)]
pub struct User;

pub mod board {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "board")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub asked: i32,
        pub trivial: i32,
        pub public: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(model = "bench.Board", group_key = "asked", authorize = ask, entity = board::Entity, from_model = false)]
#[subscribable(group_key = "trivial", authorize = allow)]
#[subscribable(group_key = "public", public)]
#[derive(Serialize)]
pub struct BoardSerializer {
    id: i32,
}

impl From<&board::Model> for BoardSerializer {
    fn from(board: &board::Model) -> Self {
        Self { id: board.id }
    }
}

/// Uses a connection for 5 ms.
async fn ask(_: &User, _: i32, db: &DatabaseConnection) -> Result<bool, DbErr> {
    db.execute_unprepared("SELECT pg_sleep(0.005)").await?;
    Ok(true)
}

async fn allow(_: &User, _: i32, _: &DatabaseConnection) -> bool {
    true
}

/// Creates the table, and one row in it.
pub async fn create(db: &DatabaseConnection) {
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(board::Entity);
    db.execute(&table).await.unwrap();
    let row = board::ActiveModel {
        id: Set(1),
        asked: Set(1),
        trivial: Set(1),
        public: Set(1),
    };
    row.insert(db).await.unwrap();
}
