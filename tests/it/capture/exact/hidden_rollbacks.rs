//! Writes that the database undoes without a visible rollback: no client receives a row that was
//! never committed.

use rest_live::{LiveEntity, LiveTransaction};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, SqlErr,
    TransactionTrait, sea_query::Expr,
};

use super::{
    fixture::{Fixture, NOTHING, RESET, lock},
    writes::text_of,
};
use crate::{
    entities::task,
    support::{Engine, given_up_after, soon, task as new_task},
};

crate::support::on_each_engine! { @of sqlite Sqlite
    outer_write_within_a_savepoint
    insert_whose_commit_fails
}

crate::support::on_each_engine! { @of postgres Postgres
    outer_write_within_a_savepoint
    insert_whose_commit_fails
}

/// A write on the outer transaction while a savepoint is open: rolling the savepoint back undoes
/// it.
async fn outer_write_within_a_savepoint(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let outer = fixture.live.db().begin().await.unwrap();
    let savepoint = outer.begin().await.unwrap();
    new_task(4, "four", 1).insert(&outer).await.unwrap();
    savepoint.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one", "two", "three"]);
    assert_eq!(fixture.received().await, NOTHING);
}

/// A single insert returns its row and then fails, because a deferred constraint is checked at the
/// commit.
async fn insert_whose_commit_fails(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        DROP TABLE task;
        CREATE TABLE task (
            id INTEGER PRIMARY KEY,
            text VARCHAR NOT NULL,
            done BOOLEAN NOT NULL,
            list_id INTEGER NOT NULL REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
        )";
    fixture.plain.execute_unprepared(tables).await.unwrap();
    let orphan = new_task(4, "phantom", 1);

    // sqlx reads an SQLite statement only up to the first row, so SeaORM itself returns the
    // phantom.
    let without = orphan.clone().insert(&fixture.plain).await;
    assert_eq!(without.is_ok(), engine == Engine::Sqlite, "{without:?}");
    assert_eq!(fixture.texts().await, NOTHING);

    let error = orphan.insert(&fixture.live.db()).await.unwrap_err();
    assert!(
        matches!(
            error.sql_err(),
            Some(SqlErr::ForeignKeyConstraintViolation(_))
        ),
        "expected its own error: {error:?}"
    );
    assert_eq!(fixture.texts().await, NOTHING);
    assert_eq!(fixture.received().await, NOTHING);
}

/// A text of SQL that ends the transaction and writes to a subscribed table.
#[tokio::test]
async fn end_and_write_in_one_text_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("ROLLBACK; DELETE FROM task WHERE id = 999")
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one", "two", "three"]);
    assert_eq!(fixture.received().await, RESET);
}

/// A statement fails in a transaction and thereby ends it. Its future is dropped before it returns
/// the error.
#[tokio::test]
async fn failing_statement_dropped_midway_postgres() {
    let mut fixture = Fixture::fresh(Engine::Postgres).await;
    for polls in 1..40 {
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        new_task(4, "phantom", 1)
            .insert(&transaction)
            .await
            .unwrap();
        let fails = task::Entity::insert(new_task(1, "again", 1)).exec(&transaction);
        let failed = given_up_after(polls, fails).await;
        // It may fail: sqlx cleans a connection up whose statement was dropped midway.
        _ = soon("the commit", transaction.commit()).await;
        fixture.wait_until_idle().await;
        let written = fixture.texts().await.contains(&"phantom".to_owned());
        let received = fixture.received().await;
        assert!(
            written || received.is_empty(),
            "after {polls} polls: {received:?}"
        );
        if failed.is_some() {
            return;
        }
    }
}

/// MariaDB also undoes the whole transaction for errors other than deadlocks (1020 with
/// `innodb_snapshot_isolation`, the default since 11.6.2).
#[tokio::test]
async fn snapshot_conflict_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let set = "SET GLOBAL innodb_snapshot_isolation = ON";
    fixture.plain.execute_unprepared(set).await.unwrap();
    let db = fixture.live.db();
    let transaction = db.begin().await.unwrap();
    let session = "SET SESSION innodb_snapshot_isolation = ON";
    transaction.execute_unprepared(session).await.unwrap();
    task::Entity::find_by_id(2).one(&transaction).await.unwrap();
    new_task(4, "phantom", 1)
        .insert(&transaction)
        .await
        .unwrap();
    text_of(2, "meanwhile")
        .update(&fixture.plain)
        .await
        .unwrap();
    text_of(2, "mine").update(&transaction).await.unwrap_err();
    text_of(1, "one!").update(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one!", "meanwhile", "three"]);
    assert_eq!(fixture.received().await, RESET);
}

/// A `live_*` write is the victim of a deadlock: the whole transaction is undone.
#[tokio::test]
async fn deadlock_in_a_bulk_write_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let db = fixture.live.db();
    let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    new_task(4, "phantom", 1).insert(&first).await.unwrap();
    lock(&first, 1).await.unwrap();
    lock(&second, 2).await.unwrap();
    // The transaction that has written more is not the victim.
    for id in 2000..2040 {
        new_task(id, "weight", 9).insert(&second).await.unwrap();
    }
    let bulk = async |transaction: &LiveTransaction| {
        let update = task::Entity::live_update_many()
            .col_expr(task::Column::Done, Expr::value(true))
            .filter(task::Column::Id.eq(2));
        update.exec(transaction).await
    };
    let (of_first, of_second) = tokio::join!(bulk(&first), lock(&second, 1));
    of_second.unwrap();
    let error = of_first.unwrap_err();
    second.rollback().await.unwrap();
    // The first statement after it is refused, because its savepoint is gone.
    _ = text_of(1, "one!").update(&first).await;
    _ = text_of(1, "one!").update(&first).await;
    _ = first.commit().await;
    fixture.wait_until_idle().await;
    let received = fixture.received().await;
    assert!(
        received.is_empty() || received == RESET,
        "a phantom: {received:?}"
    );
    if fixture.texts().await[0] == "one!" {
        assert_eq!(received, RESET, "the row was written");
    }
    assert!(
        format!("{error:?}").contains("1213"),
        "expected its own error: {error:?}"
    );
}
