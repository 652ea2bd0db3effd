//! Writes that look as if they needed a reset, but are sent as the table says.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    fixture::{Fixture, NOTHING, RESET},
    writes::move_of,
};
use crate::{entities::task, support::Engine};

/// Two moves in one task. The values of each statement match the row of the other.
#[tokio::test]
async fn two_moves_in_one_task_sqlite() {
    let mut fixture = Fixture::fresh(Engine::Sqlite).await;
    let db = fixture.live.db();
    let (first, second) = tokio::join!(move_of(1, 2).update(&db), move_of(2, 2).update(&db));
    first.unwrap();
    second.unwrap();
    let received = fixture.received().await;
    assert!(!received.contains(&RESET[0].to_owned()), "{received:?}");
}

/// A statement that could move rows, but returns none.
#[tokio::test]
async fn update_that_returns_no_row_sqlite() {
    let mut fixture = Fixture::fresh(Engine::Sqlite).await;
    let update = task::Entity::update_many()
        .col_expr(task::Column::ListId, Expr::value(2))
        .filter(task::Column::Id.eq(999));
    let rows = update.exec_with_returning(&fixture.live.db()).await;
    assert!(rows.unwrap().is_empty());
    assert_eq!(fixture.received().await, NOTHING);
}
