//! The `live_*` bulk writes, by the names of their cases.

use rest_live::{LiveEntity, db::LiveDatabase};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DbErr, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::{entities::parcel, fixture::parcel as new_parcel, writes::two_new};
use crate::entities::task;

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
        _ => panic!("unknown write: {what}"),
    }
    Ok(())
}
