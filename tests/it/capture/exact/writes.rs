//! The writes, by the names of their cases.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    QueryFilter, QuerySelect, QueryTrait, Statement, TransactionTrait,
    sea_query::{Expr, IntoCondition, OnConflict},
};

use super::{entities::parcel, fixture::parcel as new_parcel};
use crate::{entities::task, support::task as new_task};

/// Returns a change of a task's text.
pub fn text_of(id: i32, text: &str) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(id),
        text: Set(text.to_owned()),
        ..Default::default()
    }
}

/// Returns a change of a task's list.
pub fn move_of(id: i32, list: i32) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(id),
        list_id: Set(list),
        ..Default::default()
    }
}

pub fn two_new() -> [task::ActiveModel; 2] {
    [new_task(4, "four", 1), new_task(5, "five", 2)]
}

fn parcel_of(id: i32) -> parcel::ActiveModel {
    parcel::ActiveModel {
        id: Set(id),
        ..Default::default()
    }
}

fn is_in_list_1() -> Condition {
    task::Column::ListId.eq(1).into_condition()
}

pub async fn write<C>(what: &str, db: &C) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let found = task::Model {
        id: 1,
        text: "one".to_owned(),
        done: false,
        list_id: 1,
    };
    let upsert = |id, text: &str| {
        let conflict = OnConflict::column(task::Column::Id)
            .update_column(task::Column::Text)
            .to_owned();
        task::Entity::insert(new_task(id, text, 1)).on_conflict(conflict)
    };
    let backend = db.get_database_backend();
    match what {
        "insert" => _ = new_task(4, "four", 1).insert(db).await?,
        "insert in no list of ours" => _ = new_task(4, "four", 7).insert(db).await?,
        "save a new one" => {
            let new = task::ActiveModel {
                id: NotSet,
                ..new_task(0, "saved", 1)
            };
            _ = new.save(db).await?;
        }
        "save a changed one" => {
            let mut changed = found.into_active_model();
            changed.text = Set("one!".to_owned());
            _ = changed.save(db).await?;
        }
        "update" => _ = text_of(1, "one!").update(db).await?,
        "update of nothing" => _ = found.into_active_model().update(db).await?,
        "update of no row" => _ = text_of(9, "nine").update(db).await?,
        "update to another list" => _ = move_of(1, 2).update(db).await?,
        "update to the same list" => {
            let update = task::ActiveModel {
                text: Set("one!".to_owned()),
                ..move_of(1, 1)
            };
            _ = update.update(db).await?;
        }
        "update_without_returning" => _ = text_of(1, "one!").update_without_returning(db).await?,
        "update_without_returning to another list" => {
            _ = move_of(1, 2).update_without_returning(db).await?;
        }
        "update_without_returning of no row" => {
            _ = text_of(9, "nine").update_without_returning(db).await?;
        }
        "delete a model" => _ = found.delete(db).await?,
        "delete a model that has moved since" => {
            let stale = task::Model {
                list_id: 2,
                text: "as it was".to_owned(),
                ..found
            };
            _ = stale.delete(db).await?;
        }
        "delete by its key" => {
            _ = task::ActiveModel {
                id: Set(1),
                ..Default::default()
            }
            .delete(db)
            .await?;
        }
        "delete of no row" => _ = text_of(9, "nine").delete(db).await?,

        "Entity::insert exec" => {
            _ = task::Entity::insert(new_task(4, "four", 1))
                .exec(db)
                .await?;
        }
        "Entity::insert exec_with_returning" => {
            _ = task::Entity::insert(new_task(4, "four", 1))
                .exec_with_returning(db)
                .await?;
        }
        "Entity::insert exec_without_returning" => {
            let insert = task::Entity::insert(new_task(4, "four", 1));
            assert_eq!(insert.exec_without_returning(db).await?, 1);
        }
        "insert_many exec" => _ = task::Entity::insert_many(two_new()).exec(db).await?,
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
            _ = task::Entity::insert(new_task(1, "again", 1))
                .exec(db)
                .await?;
        }
        "Entity::update exec" => _ = task::Entity::update(text_of(1, "one!")).exec(db).await?,
        "Entity::update exec_without_returning" => {
            let update = task::Entity::update(text_of(1, "one!"));
            assert_eq!(update.exec_without_returning(db).await?.rows_affected, 1);
        }
        "Entity::update to another list" => {
            _ = task::Entity::update(move_of(1, 2)).exec(db).await?;
        }
        "update_many exec" => {
            let update = task::Entity::update_many().col_expr(task::Column::Text, Expr::value("!"));
            let result = update.filter(is_in_list_1()).exec(db).await?;
            assert_eq!(result.rows_affected, 2);
        }
        "update_many exec_with_returning" => {
            let update = task::Entity::update_many().col_expr(task::Column::Text, Expr::value("!"));
            let rows = update
                .filter(is_in_list_1())
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
            let result = update.filter(is_in_list_1()).exec(db).await?;
            assert_eq!(result.rows_affected, 2);
        }
        "update_many with returning to another list" => {
            let update = task::Entity::update_many().col_expr(task::Column::ListId, Expr::value(2));
            let rows = update.filter(is_in_list_1()).exec_with_returning(db);
            assert!(rows.await?.iter().all(|row| row.list_id == 2));
        }
        "update_many of no row to another list" => {
            let update = task::Entity::update_many().col_expr(task::Column::ListId, Expr::value(2));
            let result = update.filter(task::Column::Id.eq(9)).exec(db).await?;
            assert_eq!(result.rows_affected, 0);
        }
        "update_many of a subquery to another list" => {
            let parcels = parcel::Entity::find()
                .select_only()
                .column(parcel::Column::Id);
            let is_parcel = task::Column::Id.in_subquery(parcels.into_query());
            let update = task::Entity::update_many().col_expr(task::Column::ListId, Expr::value(2));
            let result = update.filter(is_parcel).exec(db).await?;
            assert_eq!(result.rows_affected, 3);
        }
        "update_many to another key" => {
            let update = task::Entity::update_many().col_expr(task::Column::Id, Expr::value(4));
            let result = update.filter(task::Column::Id.eq(1)).exec(db).await?;
            assert_eq!(result.rows_affected, 1);
        }
        "Entity::delete exec" => {
            let result = task::Entity::delete(text_of(1, "?")).exec(db).await?;
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
            let delete = task::Entity::delete_many().filter(is_in_list_1());
            assert_eq!(delete.exec(db).await?.rows_affected, 2);
        }
        "delete_many exec_with_returning" => {
            let delete = task::Entity::delete_many().filter(is_in_list_1());
            assert_eq!(delete.exec_with_returning(db).await?.len(), 2);
        }

        "upsert that inserts" => _ = upsert(4, "four").exec(db).await?,
        "upsert that updates" => _ = upsert(1, "one!").exec(db).await?,
        "insert or do nothing, of a new one" => {
            let insert = task::Entity::insert(new_task(4, "four", 1));
            _ = insert.on_conflict_do_nothing().exec(db).await?;
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
            _ = db
                .execute_unprepared("UPDATE sticky_note SET body = 'task'")
                .await?;
        }
        "raw select" => _ = db.execute_unprepared("SELECT * FROM task").await?,

        "parcel: insert of a hidden one" => _ = new_parcel(5, "five", false, 1).insert(db).await?,
        "parcel: update" | "parcel: update_without_returning" => {
            let update = parcel::ActiveModel {
                text: Set("one!".to_owned()),
                ..parcel_of(1)
            };
            match what {
                "parcel: update" => _ = update.update(db).await?,
                _ => _ = update.update_without_returning(db).await?,
            }
        }
        "parcel: update that hides" => {
            _ = parcel::ActiveModel {
                open: Set(false),
                ..parcel_of(1)
            }
            .update(db)
            .await?;
        }
        "parcel: update that shows" => {
            _ = parcel::ActiveModel {
                open: Set(true),
                ..parcel_of(4)
            }
            .update(db)
            .await?;
        }
        "parcel: delete" => _ = parcel_of(1).delete(db).await?,
        "parcel: insert_many" => {
            let new = [
                new_parcel(5, "five", true, 2),
                new_parcel(6, "six", false, 2),
            ];
            _ = parcel::Entity::insert_many(new).exec(db).await?;
        }
        "parcel: update_many" => {
            let update =
                parcel::Entity::update_many().col_expr(parcel::Column::Text, Expr::value("!"));
            _ = update.filter(parcel::Column::Shelf.eq(1)).exec(db).await?;
        }
        "parcel: update_many that hides" | "parcel: update_many that shows" => {
            let shows = Expr::value(what.ends_with("shows"));
            let update = parcel::Entity::update_many().col_expr(parcel::Column::Open, shows);
            _ = update.filter(parcel::Column::Shelf.eq(1)).exec(db).await?;
        }
        "parcel: delete_many" => {
            let delete = parcel::Entity::delete_many().filter(parcel::Column::Shelf.eq(1));
            assert_eq!(delete.exec(db).await?.rows_affected, 3);
        }
        _ => panic!("unknown write: {what}"),
    }
    Ok(())
}
