//! The kinds of write, with the names that the capture tests in `tests/it` use. Each one exists for
//! an entity of rest-live and for the same entity without rest-live.

use std::ops::Range;

/// A kind of write.
#[derive(Clone, Copy)]
pub struct Line {
    pub name: &'static str,
    /// The write without rest-live.
    pub plain: &'static str,
    /// The write with rest-live.
    pub live: &'static str,
    /// Rows of one write.
    pub rows: i32,
    /// Whether the rows must exist before the write.
    pub needs_rows: bool,
    /// Whether the cost has a limit: the write is a save that needs no old row.
    pub is_limited: bool,
}

const fn line(name: &'static str, rows: i32, needs_rows: bool) -> Line {
    Line {
        name,
        plain: name,
        live: name,
        rows,
        needs_rows,
        is_limited: false,
    }
}

const fn limited(line: Line) -> Line {
    Line {
        is_limited: true,
        ..line
    }
}

/// A bulk write of rest-live, compared with the bulk write of SeaORM.
const fn live_many(name: &'static str, plain: &'static str, needs_rows: bool) -> Line {
    Line {
        plain,
        ..line(name, 10, needs_rows)
    }
}

pub const WRITES: &[Line] = &[
    limited(line("insert", 1, false)),
    limited(line("update", 1, true)),
    line("update to another list", 1, true),
    line("update_without_returning", 1, true),
    line("delete a model", 1, true),
    line("delete by its key", 1, true),
    line("upsert that updates", 1, true),
    line("raw update with values", 1, true),
    line("transaction of 5 inserts", 5, false),
    line("insert_many exec of 10", 10, false),
    line("update_many exec of 1", 1, true),
    line("update_many exec of 10", 10, true),
    line("update_many exec of 100", 100, true),
    line("update_many exec of 1 to another list", 1, true),
    line("update_many exec of 10 to another list", 10, true),
    line("update_many exec of 100 to another list", 100, true),
    line("delete_many exec of 10", 10, true),
    live_many("live_insert_many of 10", "insert_many exec of 10", false),
    live_many("live_update_many of 10", "update_many exec of 10", true),
    live_many(
        "live_update_many of 10 to another list",
        "update_many exec of 10 to another list",
        true,
    ),
    live_many("live_delete_many of 10", "delete_many exec of 10", true),
];

/// The list of all rows.
pub const LIST: i32 = 1;
/// The list to which some writes move rows.
pub const OTHER_LIST: i32 = 2;

/// Returns the keys of the rows of the `n`th write.
pub fn rows_of(n: i32, rows: i32) -> Range<i32> {
    let first = n * rows + 1;
    first..first + rows
}

/// Returns the number of rows in the name of a bulk write.
fn count_of(what: &str) -> i32 {
    let count = what.split(' ').find_map(|word| word.parse().ok());
    count.unwrap_or_else(|| panic!("{what:?} has no number of rows"))
}

fn text(n: i32) -> String {
    format!("version {n} of a text of ordinary length")
}

macro_rules! model {
    ($name:ident, $($own:item)*) => {
        pub mod $name {
            use sea_orm::{
                ActiveValue::{NotSet, Set},
                DbBackend, Statement, TransactionTrait,
                entity::prelude::*,
                sea_query::{Expr, OnConflict},
            };

            use super::{LIST, OTHER_LIST, count_of, rows_of, text};

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = "task")]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub text: String,
                pub done: bool,
                pub list_id: i32,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            $($own)*

            fn new(n: i32) -> ActiveModel {
                ActiveModel {
                    id: NotSet,
                    text: Set(text(n)),
                    done: Set(false),
                    list_id: Set(LIST),
                }
            }

            pub fn with_id(id: i32) -> ActiveModel {
                ActiveModel {
                    id: Set(id),
                    ..new(id)
                }
            }

            fn changed(id: i32) -> ActiveModel {
                ActiveModel {
                    id: Set(id),
                    text: Set(text(-id)),
                    ..Default::default()
                }
            }

            fn is_row_of(what: &str, n: i32) -> sea_orm::sea_query::SimpleExpr {
                let rows = rows_of(n, count_of(what));
                Column::Id.between(rows.start, rows.end - 1)
            }

            async fn write_row<C>(what: &str, db: &C, n: i32) -> Result<(), DbErr>
            where
                C: ConnectionTrait + TransactionTrait,
            {
                let id = n + 1;
                match what {
                    "insert" => drop(new(n).insert(db).await?),
                    "update" => drop(changed(id).update(db).await?),
                    "update to another list" => {
                        let moved = ActiveModel {
                            list_id: Set(OTHER_LIST),
                            ..changed(id)
                        };
                        drop(moved.update(db).await?);
                    }
                    "update_without_returning" => {
                        changed(id).update_without_returning(db).await?;
                    }
                    "delete a model" => {
                        let found = Model {
                            id,
                            text: text(id),
                            done: false,
                            list_id: LIST,
                        };
                        assert_eq!(found.delete(db).await?.rows_affected, 1);
                    }
                    "delete by its key" => {
                        let key = ActiveModel {
                            id: Set(id),
                            ..Default::default()
                        };
                        assert_eq!(key.delete(db).await?.rows_affected, 1);
                    }
                    "upsert that updates" => {
                        let conflict = OnConflict::column(Column::Id)
                            .update_column(Column::Text)
                            .to_owned();
                        let insert = Entity::insert(with_id(id)).on_conflict(conflict);
                        insert.exec(db).await?;
                    }
                    "raw update with values" => {
                        let backend = db.get_database_backend();
                        let sql = match backend {
                            DbBackend::Postgres => "UPDATE task SET text = $1 WHERE id = $2",
                            _ => "UPDATE task SET text = ? WHERE id = ?",
                        };
                        let values = [text(-id).into(), id.into()];
                        let update = Statement::from_sql_and_values(backend, sql, values);
                        assert_eq!(db.execute_raw(update).await?.rows_affected(), 1);
                    }
                    "transaction of 5 inserts" => {
                        let transaction = db.begin().await?;
                        for n in 0..5 {
                            new(n).insert(&transaction).await?;
                        }
                        sea_orm::TransactionSession::commit(transaction).await?;
                    }
                    _ => panic!("there is no write {what:?}"),
                }
                Ok(())
            }

            async fn write_bulk<C: ConnectionTrait>(
                what: &str,
                db: &C,
                n: i32,
            ) -> Result<(), DbErr> {
                let written = match what {
                    "insert_many exec of 10" => {
                        Entity::insert_many((0..10).map(new)).exec(db).await?;
                        return Ok(());
                    }
                    _ if what.starts_with("update_many exec of") => {
                        let update = Entity::update_many();
                        let update = if what.ends_with("to another list") {
                            update.col_expr(Column::ListId, Expr::value(OTHER_LIST))
                        } else {
                            update.col_expr(Column::Text, Expr::value(text(-n)))
                        };
                        update.filter(is_row_of(what, n)).exec(db).await?.rows_affected
                    }
                    "delete_many exec of 10" => {
                        let delete = Entity::delete_many().filter(is_row_of(what, n));
                        delete.exec(db).await?.rows_affected
                    }
                    _ => panic!("there is no write {what:?}"),
                };
                assert_eq!(written, count_of(what) as u64, "{what}");
                Ok(())
            }
        }
    };
}

model! { plain,
    impl ActiveModelBehavior for ActiveModel {}

    pub async fn write(what: &str, db: &DatabaseConnection, n: i32) -> Result<(), DbErr> {
        if what.contains("_many") {
            write_bulk(what, db, n).await
        } else {
            write_row(what, db, n).await
        }
    }
}

model! { live,
    #[rest_live::subscribable(model = "bench.Task", entity = Entity)]
    #[rest_live::subscribable(group_key = "list_id")]
    #[derive(serde::Serialize)]
    pub struct TaskSerializer {
        id: i32,
        text: String,
        done: bool,
    }

    pub async fn write(what: &str, db: &rest_live::LiveConnection, n: i32) -> Result<(), DbErr> {
        match what {
            _ if what.starts_with("live_") => write_live_bulk(what, db, n).await,
            _ if what.contains("_many") => write_bulk(what, db, n).await,
            _ => write_row(what, db, n).await,
        }
    }

    async fn write_live_bulk(
        what: &str,
        db: &rest_live::LiveConnection,
        n: i32,
    ) -> Result<(), DbErr> {
        use rest_live::LiveEntity;

        let written = match what {
            "live_insert_many of 10" => {
                Entity::live_insert_many((0..10).map(new)).exec(db).await?
            }
            "live_update_many of 10" => {
                let update = Entity::live_update_many()
                    .col_expr(Column::Text, Expr::value(text(-n)));
                update.filter(is_row_of(what, n)).exec(db).await?.rows_affected
            }
            "live_update_many of 10 to another list" => {
                let update = Entity::live_update_many()
                    .col_expr(Column::ListId, Expr::value(OTHER_LIST));
                update.filter(is_row_of(what, n)).exec(db).await?.rows_affected
            }
            "live_delete_many of 10" => {
                let delete = Entity::live_delete_many().filter(is_row_of(what, n));
                delete.exec(db).await?.rows_affected
            }
            _ => panic!("there is no write {what:?}"),
        };
        assert_eq!(written, 10, "{what}");
        Ok(())
    }
}
