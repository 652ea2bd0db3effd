//! The database of the server, its table and the serializer.

use std::{path::Path, time::Duration};

use rest_live::subscribable;
use sea_orm::{
    ActiveValue::Set,
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DerivePartialModel, EntityTrait,
    Schema,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use serde::Serialize;

pub mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub list_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(model = "soak.Task")]
#[subscribable(group_key = "list_id")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "task::Entity")]
struct TaskSerializer {
    id: i32,
    text: String,
}

/// The list that the well-behaved clients follow.
pub const FIRST: i32 = 1;
/// The last of the other lists.
pub const LAST: i32 = 50;
/// Rows of the first list. Their ids start at 1.
pub const ROWS: i32 = 20;
/// Added to another list's number, this is the id of its row.
pub const OTHERS: i32 = 100;

/// Bytes of a text: so many that a client which does not read is noticed within seconds.
const TEXT: usize = 1000;

/// Returns a text that begins with a number.
pub fn text(number: u64) -> String {
    format!("{number:<TEXT$}")
}

/// Opens the database, with the rows that the writers update.
pub async fn open(folder: &Path) -> DatabaseConnection {
    let file = folder.join("soak.sqlite");
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(8).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
    });
    // Boxed, because this future and those around it exceed the nesting limit of rustc.
    let db = Box::pin(Database::connect(options)).await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(task::Entity);
    db.execute(&table).await.unwrap();

    let of_first = (1..=ROWS).map(|id| (id, FIRST));
    let of_others = (FIRST + 1..=LAST).map(|list| (OTHERS + list, list));
    let rows = of_first
        .chain(of_others)
        .map(|(id, list)| task::ActiveModel {
            id: Set(id),
            text: Set(text(0)),
            list_id: Set(list),
        });
    task::Entity::insert_many(rows).exec(&db).await.unwrap();
    db
}
