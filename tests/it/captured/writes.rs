//! Each kind of write, what is told of it, and what it costs.

use rest_live::{LiveDatabase, LiveEntity};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter,
    Statement, TransactionTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{entities::parcel, fixture::parcel as new_parcel};
use crate::{
    entities::task,
    support::{Engine, task as new_task},
};

pub struct Line {
    pub name: &'static str,
    told: Told,
    /// Statements beyond SeaORM's own, of our own builders all: on SQLite, PostgreSQL, MariaDB.
    extra: [usize; 3],
}

#[derive(Clone, Copy)]
pub enum Told {
    Nothing,
    Exactly(&'static [&'static str]),
    /// Exactly where the database returns rows; elsewhere the model is reset.
    Returned(&'static [&'static str], &'static str),
    /// Exactly where the database returns rows; elsewhere SeaORM refuses.
    OnlyReturned(&'static [&'static str]),
    Reset(&'static str),
}

impl Line {
    pub fn told(&self, engine: Engine) -> Vec<String> {
        match (self.told, engine) {
            (Told::Returned(_, model), Engine::MariaDb) => Told::Reset(model).frames(),
            (Told::OnlyReturned(_), Engine::MariaDb) => Told::Nothing.frames(),
            (told, _) => told.frames(),
        }
    }

    pub fn extra(&self, engine: Engine) -> usize {
        let place = Engine::ALL.iter().position(|e| *e == engine).unwrap();
        self.extra[place]
    }
}

impl Told {
    pub fn frames(self) -> Vec<String> {
        let mut frames: Vec<String> = match self {
            Self::Nothing => Vec::new(),
            Self::Exactly(frames) | Self::Returned(frames, _) | Self::OnlyReturned(frames) => {
                frames.iter().map(ToString::to_string).collect()
            }
            Self::Reset(model) => vec![format!("reset {model}")],
        };
        frames.sort();
        frames
    }
}

const fn line(name: &'static str, told: Told, extra: [usize; 3]) -> Line {
    Line { name, told, extra }
}

const TASK: &str = "todolist.Task";
const PARCEL: &str = "it.Parcel";
const NONE: [usize; 3] = [0, 0, 0];
/// The old row is read first.
const OLD: [usize; 3] = [1, 1, 1];
/// The old row is read first where the statement does not return it.
const OLD_IF_NOT_RETURNED: [usize; 3] = [0, 0, 1];

const CREATED: Told = Told::Exactly(&["list 1 CREATED four", "task 4 CREATED four"]);
const CREATED_IF_RETURNED: Told =
    Told::Returned(&["list 1 CREATED four", "task 4 CREATED four"], TASK);
const TWO_CREATED: &[&str] = &[
    "list 1 CREATED four",
    "task 4 CREATED four",
    "list 2 CREATED five",
];
const UPDATED: Told = Told::Exactly(&["list 1 UPDATED one!", "task 1 UPDATED one!"]);
const UPDATED_IF_RETURNED: Told =
    Told::Returned(&["list 1 UPDATED one!", "task 1 UPDATED one!"], TASK);
const TWO_UPDATED: &[&str] = &["list 1 UPDATED !", "task 1 UPDATED !", "list 1 UPDATED !"];
const MOVED: Told = Told::Exactly(&[
    "list 1 DELETED one",
    "list 2 CREATED one",
    "task 1 UPDATED one",
]);
const DELETED: Told = Told::Exactly(&["list 1 DELETED one", "task 1 DELETED one"]);
const TWO_DELETED: &[&str] = &[
    "list 1 DELETED one",
    "task 1 DELETED one",
    "list 1 DELETED two",
];

#[rustfmt::skip]
pub const WRITES: &[Line] = &[
    line("insert", CREATED, NONE),
    line("insert in no list of ours", Told::Exactly(&["task 4 CREATED four"]), NONE),
    line("save a new one", Told::Exactly(&["list 1 CREATED saved"]), NONE),
    line("save a changed one", UPDATED, NONE),
    line("update", UPDATED, NONE),
    line("update of nothing", Told::Nothing, NONE),
    line("update of no row", Told::Nothing, NONE),
    line("update to another list", MOVED, OLD),
    line("update to the same list", UPDATED, OLD),
    line("update_without_returning", UPDATED, [0, 0, 1]),
    line("update_without_returning to another list", MOVED, [1, 1, 2]),
    line("update_without_returning of no row", Told::Nothing, NONE),
    line("delete a model", DELETED, OLD_IF_NOT_RETURNED),
    line("delete a model that has moved since", DELETED, OLD_IF_NOT_RETURNED),
    line("delete by its key", DELETED, OLD_IF_NOT_RETURNED),
    line("delete of no row", Told::Nothing, OLD_IF_NOT_RETURNED),

    line("Entity::insert exec", CREATED_IF_RETURNED, NONE),
    line("Entity::insert exec_with_returning", CREATED_IF_RETURNED, NONE),
    line("Entity::insert exec_without_returning", CREATED_IF_RETURNED, NONE),
    line("insert_many exec", Told::Returned(TWO_CREATED, TASK), NONE),
    line("insert_many exec_with_returning", Told::OnlyReturned(TWO_CREATED), NONE),
    line("insert_many exec_with_returning_keys", Told::OnlyReturned(TWO_CREATED), NONE),
    line("insert_many exec_without_returning", Told::Returned(TWO_CREATED, TASK), NONE),
    line("Entity::insert that conflicts", Told::Nothing, NONE),
    line("Entity::update exec", UPDATED_IF_RETURNED, NONE),
    line("Entity::update exec_without_returning", UPDATED_IF_RETURNED, NONE),
    line("Entity::update to another list", Told::Reset(TASK), NONE),
    line("update_many exec", Told::Returned(TWO_UPDATED, TASK), NONE),
    line("update_many exec_with_returning", Told::OnlyReturned(TWO_UPDATED), NONE),
    line("update_many of no row", Told::Nothing, NONE),
    line("update_many to another list", Told::Reset(TASK), NONE),
    line("Entity::delete exec", DELETED, NONE),
    line("delete_by_id exec", DELETED, NONE),
    line("delete_by_id exec_with_returning", Told::OnlyReturned(&["list 1 DELETED one", "task 1 DELETED one"]), NONE),
    line("delete_by_id of no row", Told::Nothing, NONE),
    line("delete_many exec", Told::Exactly(TWO_DELETED), NONE),
    line("delete_many exec_with_returning", Told::OnlyReturned(TWO_DELETED), NONE),

    line("upsert that inserts", Told::Reset(TASK), NONE),
    line("upsert that updates", Told::Reset(TASK), NONE),
    line("insert or do nothing, of a new one", CREATED_IF_RETURNED, NONE),
    line("raw update", Told::Reset(TASK), NONE),
    line("raw update with values", Told::Reset(TASK), NONE),
    line("raw statements of two tables", Told::Reset(TASK), NONE),
    line("raw update of another table", Told::Nothing, NONE),
    line("raw select", Told::Nothing, NONE),

    line("parcel: insert of a hidden one", Told::Nothing, NONE),
    line("parcel: update", Told::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), OLD),
    line("parcel: update that hides", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD),
    line("parcel: update that shows", Told::Exactly(&["shelf 1 CREATED hidden"]), OLD),
    line("parcel: update_without_returning", Told::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), [1, 1, 2]),
    line("parcel: delete", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD_IF_NOT_RETURNED),
    line("parcel: insert_many", Told::Returned(&["shelf 2 CREATED five"], PARCEL), NONE),
    line("parcel: update_many", Told::Reset(PARCEL), NONE),
    line("parcel: delete_many", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), NONE),
];

/// The bulk writes of our own.
#[rustfmt::skip]
pub const LIVE: &[Line] = &[
    line("live_insert_many", Told::Exactly(TWO_CREATED), [1, 1, 4]),
    line("live_update_many", Told::Exactly(TWO_UPDATED), [3, 2, 3]),
    line("live_update_many with returning", Told::Exactly(TWO_UPDATED), [3, 2, 3]),
    line("live_update_many to another list", Told::Exactly(&["list 1 DELETED one", "list 1 DELETED two", "list 2 CREATED one", "list 2 CREATED two", "task 1 UPDATED one"]), [3, 2, 3]),
    line("live_update_many of no row", Told::Nothing, [2, 1, 1]),
    line("live_delete_many", Told::Exactly(TWO_DELETED), [1, 1, 2]),
    line("live_delete_many with returning", Told::Exactly(TWO_DELETED), [1, 1, 2]),
    line("parcel: live_update_many that hides", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [3, 2, 3]),
    line("parcel: live_update_many that shows", Told::Exactly(&["shelf 2 CREATED hidden", "shelf 1 DELETED one", "shelf 2 CREATED one", "parcel 1 UPDATED one", "shelf 1 DELETED two", "shelf 2 CREATED two"]), [3, 2, 3]),
    line("parcel: live_delete_many", Told::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [1, 1, 2]),
    line("parcel: live_insert_many", Told::Exactly(&["shelf 2 CREATED five"]), [1, 1, 4]),
];

fn changed(text: &str) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(1),
        text: Set(text.to_owned()),
        ..Default::default()
    }
}

fn to_list(list: i32, text: Option<&str>) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(1),
        list_id: Set(list),
        text: text.map_or(NotSet, |text| Set(text.to_owned())),
        ..Default::default()
    }
}

fn two_new() -> [task::ActiveModel; 2] {
    [new_task(4, "four", 1), new_task(5, "five", 2)]
}

fn parcel_of(id: i32) -> parcel::ActiveModel {
    parcel::ActiveModel {
        id: Set(id),
        ..Default::default()
    }
}

fn is_in_list_1() -> impl sea_orm::sea_query::IntoCondition {
    task::Column::ListId.eq(1)
}

pub async fn write<C>(what: &str, db: &C) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    use sea_orm::sea_query::IntoCondition;
    let found = task::Model {
        id: 1,
        text: "one".to_owned(),
        done: false,
        list_id: 1,
    };
    let missing = |text: &str| task::ActiveModel {
        id: Set(9),
        ..changed(text)
    };
    let upsert = |id, text: &str| {
        let conflict = OnConflict::column(task::Column::Id)
            .update_column(task::Column::Text)
            .to_owned();
        task::Entity::insert(new_task(id, text, 1)).on_conflict(conflict)
    };
    let backend = db.get_database_backend();
    match what {
        "insert" => drop(new_task(4, "four", 1).insert(db).await?),
        "insert in no list of ours" => drop(new_task(4, "four", 7).insert(db).await?),
        "save a new one" => {
            let new = task::ActiveModel {
                id: NotSet,
                ..new_task(0, "saved", 1)
            };
            drop(new.save(db).await?);
        }
        "save a changed one" => {
            let mut changed = found.into_active_model();
            changed.text = Set("one!".to_owned());
            drop(changed.save(db).await?);
        }
        "update" => drop(changed("one!").update(db).await?),
        "update of nothing" => drop(found.into_active_model().update(db).await?),
        "update of no row" => drop(missing("nine").update(db).await?),
        "update to another list" => drop(to_list(2, None).update(db).await?),
        "update to the same list" => drop(to_list(1, Some("one!")).update(db).await?),
        "update_without_returning" => drop(changed("one!").update_without_returning(db).await?),
        "update_without_returning to another list" => {
            drop(to_list(2, None).update_without_returning(db).await?);
        }
        "update_without_returning of no row" => {
            drop(missing("nine").update_without_returning(db).await?);
        }
        "delete a model" => drop(found.delete(db).await?),
        "delete a model that has moved since" => {
            let stale = task::Model {
                list_id: 2,
                text: "as it was".to_owned(),
                ..found
            };
            drop(stale.delete(db).await?);
        }
        "delete by its key" => drop(
            task::ActiveModel {
                id: Set(1),
                ..Default::default()
            }
            .delete(db)
            .await?,
        ),
        "delete of no row" => drop(missing("nine").delete(db).await?),

        "Entity::insert exec" => drop(
            task::Entity::insert(new_task(4, "four", 1))
                .exec(db)
                .await?,
        ),
        "Entity::insert exec_with_returning" => {
            drop(
                task::Entity::insert(new_task(4, "four", 1))
                    .exec_with_returning(db)
                    .await?,
            );
        }
        "Entity::insert exec_without_returning" => {
            let insert = task::Entity::insert(new_task(4, "four", 1));
            assert_eq!(insert.exec_without_returning(db).await?, 1);
        }
        "insert_many exec" => drop(task::Entity::insert_many(two_new()).exec(db).await?),
        "insert_many exec_with_returning" => {
            let rows = task::Entity::insert_many(two_new())
                .exec_with_returning(db)
                .await?;
            assert_eq!(rows.len(), 2);
        }
        "insert_many exec_with_returning_keys" => {
            let keys = task::Entity::insert_many(two_new())
                .exec_with_returning_keys(db)
                .await?;
            assert_eq!(keys, [4, 5]);
        }
        "insert_many exec_without_returning" => {
            let insert = task::Entity::insert_many(two_new());
            assert_eq!(insert.exec_without_returning(db).await?, 2);
        }
        "Entity::insert that conflicts" => {
            drop(
                task::Entity::insert(new_task(1, "again", 1))
                    .exec(db)
                    .await?,
            );
        }
        "Entity::update exec" => drop(task::Entity::update(changed("one!")).exec(db).await?),
        "Entity::update exec_without_returning" => {
            let update = task::Entity::update(changed("one!"));
            assert_eq!(update.exec_without_returning(db).await?.rows_affected, 1);
        }
        "Entity::update to another list" => {
            drop(task::Entity::update(to_list(2, None)).exec(db).await?);
        }
        "update_many exec" => {
            let update = task::Entity::update_many().col_expr(task::Column::Text, Expr::value("!"));
            let result = update
                .filter(is_in_list_1().into_condition())
                .exec(db)
                .await?;
            assert_eq!(result.rows_affected, 2);
        }
        "update_many exec_with_returning" => {
            let update = task::Entity::update_many().col_expr(task::Column::Text, Expr::value("!"));
            let rows = update
                .filter(is_in_list_1().into_condition())
                .exec_with_returning(db)
                .await?;
            assert_eq!(rows.len(), 2);
        }
        "update_many of no row" => {
            let update = task::Entity::update_many().col_expr(task::Column::Text, Expr::value("!"));
            let result = update.filter(task::Column::Id.eq(9)).exec(db).await?;
            assert_eq!(result.rows_affected, 0);
        }
        "update_many to another list" => {
            let update = task::Entity::update_many().col_expr(task::Column::ListId, Expr::value(2));
            let result = update
                .filter(is_in_list_1().into_condition())
                .exec(db)
                .await?;
            assert_eq!(result.rows_affected, 2);
        }
        "Entity::delete exec" => {
            let result = task::Entity::delete(changed("?")).exec(db).await?;
            assert_eq!(result.rows_affected, 1);
        }
        "delete_by_id exec" => {
            assert_eq!(
                task::Entity::delete_by_id(1).exec(db).await?.rows_affected,
                1
            );
        }
        "delete_by_id exec_with_returning" => {
            let row = task::Entity::delete_by_id(1)
                .exec_with_returning(db)
                .await?;
            assert_eq!(row, Some(found));
        }
        "delete_by_id of no row" => {
            assert_eq!(
                task::Entity::delete_by_id(9).exec(db).await?.rows_affected,
                0
            );
        }
        "delete_many exec" => {
            let delete = task::Entity::delete_many().filter(is_in_list_1().into_condition());
            assert_eq!(delete.exec(db).await?.rows_affected, 2);
        }
        "delete_many exec_with_returning" => {
            let delete = task::Entity::delete_many().filter(is_in_list_1().into_condition());
            assert_eq!(delete.exec_with_returning(db).await?.len(), 2);
        }

        "upsert that inserts" => drop(upsert(4, "four").exec(db).await?),
        "upsert that updates" => drop(upsert(1, "one!").exec(db).await?),
        "insert or do nothing, of a new one" => {
            let insert = task::Entity::insert(new_task(4, "four", 1));
            drop(insert.on_conflict_do_nothing().exec(db).await?);
        }
        "raw update" => {
            let result = db.execute_unprepared("UPDATE task SET text = 'raw' WHERE list_id = 1");
            assert_eq!(result.await?.rows_affected(), 2);
        }
        "raw update with values" => {
            let sql = match backend {
                sea_orm::DbBackend::Postgres => "update task set text = $1 where id = $2",
                _ => "update task set text = ? where id = ?",
            };
            let values = ["raw".into(), 1.into()];
            let statement = Statement::from_sql_and_values(backend, sql, values);
            assert_eq!(db.execute_raw(statement).await?.rows_affected(), 1);
        }
        "raw statements of two tables" => {
            db.execute_unprepared("DELETE FROM sticky_note").await?;
            db.execute_unprepared("/* task */ delete from task where id = 2")
                .await?;
        }
        "raw update of another table" => {
            drop(
                db.execute_unprepared("UPDATE sticky_note SET body = 'task'")
                    .await?,
            );
        }
        "raw select" => drop(db.execute_unprepared("SELECT * FROM task").await?),

        "parcel: insert of a hidden one" => drop(new_parcel(5, "five", false, 1).insert(db).await?),
        "parcel: update" | "parcel: update_without_returning" => {
            let update = parcel::ActiveModel {
                text: Set("one!".to_owned()),
                ..parcel_of(1)
            };
            match what {
                "parcel: update" => drop(update.update(db).await?),
                _ => drop(update.update_without_returning(db).await?),
            }
        }
        "parcel: update that hides" => {
            drop(
                parcel::ActiveModel {
                    open: Set(false),
                    ..parcel_of(1)
                }
                .update(db)
                .await?,
            );
        }
        "parcel: update that shows" => {
            drop(
                parcel::ActiveModel {
                    open: Set(true),
                    ..parcel_of(4)
                }
                .update(db)
                .await?,
            );
        }
        "parcel: delete" => drop(parcel_of(1).delete(db).await?),
        "parcel: insert_many" => {
            let new = [
                new_parcel(5, "five", true, 2),
                new_parcel(6, "six", false, 2),
            ];
            drop(parcel::Entity::insert_many(new).exec(db).await?);
        }
        "parcel: update_many" => {
            let update =
                parcel::Entity::update_many().col_expr(parcel::Column::Text, Expr::value("!"));
            drop(update.filter(parcel::Column::Shelf.eq(1)).exec(db).await?);
        }
        "parcel: delete_many" => {
            let delete = parcel::Entity::delete_many().filter(parcel::Column::Shelf.eq(1));
            assert_eq!(delete.exec(db).await?.rows_affected, 3);
        }
        _ => panic!("{what} is no write"),
    }
    Ok(())
}

pub async fn write_live<C: LiveDatabase>(what: &str, db: &C) -> Result<(), DbErr> {
    let on_shelf_1 = parcel::Column::Shelf.eq(1);
    match what {
        "live_insert_many" => {
            assert_eq!(task::Entity::live_insert_many(two_new()).exec(db).await?, 2);
        }
        "live_update_many" => {
            let update =
                task::Entity::live_update_many().col_expr(task::Column::Text, Expr::value("!"));
            let result = update.filter(task::Column::ListId.eq(1)).exec(db).await?;
            assert_eq!(result.rows_affected, 2);
        }
        "live_update_many with returning" => {
            let update = task::Entity::live_update_many().set(task::ActiveModel {
                text: Set("!".to_owned()),
                ..Default::default()
            });
            let update = update.filter(task::Column::ListId.eq(1).and(task::Column::Id.gt(0)));
            let rows = update.exec_with_returning(db).await?;
            assert!(
                rows.len() == 2 && rows.iter().all(|row| row.text == "!"),
                "{rows:?}"
            );
        }
        "live_update_many to another list" => {
            let update = task::Entity::live_update_many()
                .col_expr(task::Column::ListId, Expr::col(task::Column::ListId).add(1));
            let result = update.filter(task::Column::ListId.eq(1)).exec(db).await?;
            assert_eq!(result.rows_affected, 2);
        }
        "live_update_many of no row" => {
            let update =
                task::Entity::live_update_many().col_expr(task::Column::ListId, Expr::value(2));
            let result = update.filter(task::Column::Id.eq(9)).exec(db).await?;
            assert_eq!(result.rows_affected, 0);
        }
        "live_delete_many" => {
            let delete = task::Entity::live_delete_many().filter(task::Column::ListId.eq(1));
            assert_eq!(delete.exec(db).await?.rows_affected, 2);
        }
        "live_delete_many with returning" => {
            let delete = task::Entity::live_delete_many().filter(task::Column::ListId.eq(1));
            assert_eq!(delete.exec_with_returning(db).await?.len(), 2);
        }
        "parcel: live_update_many that hides" => {
            let update = parcel::Entity::live_update_many()
                .col_expr(parcel::Column::Open, Expr::value(false));
            assert_eq!(update.filter(on_shelf_1).exec(db).await?.rows_affected, 3);
        }
        "parcel: live_update_many that shows" => {
            let update = parcel::Entity::live_update_many()
                .col_expr(parcel::Column::Open, Expr::value(true))
                .col_expr(parcel::Column::Shelf, Expr::value(2));
            assert_eq!(update.filter(on_shelf_1).exec(db).await?.rows_affected, 3);
        }
        "parcel: live_delete_many" => {
            let delete = parcel::Entity::live_delete_many().filter(on_shelf_1);
            assert_eq!(delete.exec(db).await?.rows_affected, 3);
        }
        "parcel: live_insert_many" => {
            let new = [
                new_parcel(5, "five", true, 2),
                new_parcel(6, "six", false, 2),
            ];
            assert_eq!(parcel::Entity::live_insert_many(new).exec(db).await?, 2);
        }
        _ => panic!("{what} is no write"),
    }
    Ok(())
}
