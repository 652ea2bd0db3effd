//! With rest-live, a write does the same as without: it fails in the same cases, and writes the
//! same.

use rest_live::{Live, LiveEntity};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, TransactionSession, TransactionTrait,
    sea_query::Expr,
};

use super::{
    fixture::{Fixture, row},
    writes::move_of,
};
use crate::{
    entities::task,
    support::{Engine, database, task as new_task},
};

/// On PostgreSQL, an UPDATE locks FOR NO KEY UPDATE, which does not conflict with foreign keys that
/// refer to the row. Reading the old row FOR UPDATE would conflict, and two transactions would
/// deadlock.
#[tokio::test]
async fn foreign_keys_do_not_deadlock_postgres() {
    let fixture = Fixture::fresh(Engine::Postgres).await;
    let child = "CREATE TABLE child (task_id INT REFERENCES task (id))";
    fixture.plain.execute_unprepared(child).await.unwrap();
    // First without rest-live.
    refer_and_move(&fixture.plain).await.unwrap();
    refer_and_move(&fixture.live.db()).await.unwrap();
}

/// Lets two transactions refer to row 1, then move it in both.
async fn refer_and_move<C: TransactionTrait>(db: &C) -> Result<(), DbErr> {
    let (first, second) = (db.begin().await?, db.begin().await?);
    for transaction in [&first, &second] {
        let insert = "INSERT INTO child VALUES (1)";
        transaction.execute_unprepared(insert).await?;
    }
    let move_to = async |list, transaction: C::Transaction| {
        move_of(1, list).update(&transaction).await?;
        transaction.commit().await
    };
    let (of_first, of_second) = tokio::join!(move_to(2, first), move_to(1, second));
    of_first.and(of_second)
}

/// Splitting the update into statements of 500 rows each would change its result.
#[tokio::test]
async fn live_update_many_is_one_statement_sqlite() {
    let (plain, _database) = database().await;
    let live = Live::<()>::builder(plain.clone()).build().unwrap();
    let rows = (1..=1000).map(|id| new_task(id, "one", 1));
    task::Entity::insert_many(rows).exec(&plain).await.unwrap();
    task::Entity::live_update_many()
        .col_expr(
            task::Column::Text,
            Expr::cust("(SELECT CAST(COUNT(*) AS TEXT) FROM task AS t WHERE t.text = 'one')"),
        )
        .exec(&live.db())
        .await
        .unwrap();
    let (first, last) = (row(&plain, 1).await.text, row(&plain, 1000).await.text);
    assert_eq!(first, last);
}
