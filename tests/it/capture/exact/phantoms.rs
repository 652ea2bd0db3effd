//! Writes that the database undoes in ways that are not seen: nobody is shown a row that was never committed.

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

/// The outer transaction is written on while a savepoint of it is open, which takes that write with it.
async fn outer_write_within_a_savepoint(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let outer = fixture.live.db().begin().await.unwrap();
    let savepoint = outer.begin().await.unwrap();
    new_task(4, "four", 1).insert(&outer).await.unwrap();
    savepoint.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(fixture.texts().await, ["one", "two", "three"]);
    assert_eq!(fixture.told().await, NOTHING);
}

/// An insert that commits by itself returns its row, and fails behind it: a deferred constraint is checked at the
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

    // sqlx reads an SQLite statement that is to return one row up to that, and so SeaORM shows the phantom itself.
    let without = orphan.clone().insert(&fixture.plain).await;
    assert_eq!(without.is_ok(), engine == Engine::Sqlite, "{without:?}");
    assert_eq!(fixture.texts().await, NOTHING);

    let error = orphan.insert(&fixture.live.db()).await.unwrap_err();
    assert!(
        matches!(
            error.sql_err(),
            Some(SqlErr::ForeignKeyConstraintViolation(_))
        ),
        "its own error: {error:?}"
    );
    assert_eq!(fixture.texts().await, NOTHING);
    assert_eq!(fixture.told().await, NOTHING);
}

/// A text that ends the transaction and writes a subscribed table.
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
    assert_eq!(fixture.told().await, RESET);
}

/// A statement that fails in a transaction, which ends it, and whose future is dropped before it says so.
#[tokio::test]
async fn failing_statement_dropped_in_a_transaction_postgres() {
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
        // Whether it succeeds or not: a connection whose statement was dropped midway is sqlx's to tidy up.
        _ = soon("the commit", transaction.commit()).await;
        fixture.quiet().await;
        let written = fixture.texts().await.contains(&"phantom".to_owned());
        let told = fixture.told().await;
        assert!(written || told.is_empty(), "after {polls} polls: {told:?}");
        if failed.is_some() {
            return;
        }
    }
}

/// MariaDB undoes the whole transaction for other errors than deadlocks, too (1020 with
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
    assert_eq!(fixture.told().await, RESET);
}

/// A `live_*` builder whose statement is ended for a deadlock: the whole transaction is undone.
#[tokio::test]
async fn deadlock_in_a_bulk_write_mariadb() {
    let mut fixture = Fixture::fresh(Engine::MariaDb).await;
    let db = fixture.live.db();
    let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    new_task(4, "phantom", 1).insert(&first).await.unwrap();
    lock(&first, 1).await.unwrap();
    lock(&second, 2).await.unwrap();
    // What has written more is not the victim.
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
    // The first statement behind it is refused for the savepoint, which is gone.
    _ = text_of(1, "one!").update(&first).await;
    _ = text_of(1, "one!").update(&first).await;
    _ = first.commit().await;
    fixture.quiet().await;
    let told = fixture.told().await;
    assert!(told.is_empty() || told == RESET, "a phantom: {told:?}");
    if fixture.texts().await[0] == "one!" {
        assert_eq!(told, RESET, "the row was written");
    }
    assert!(
        format!("{error:?}").contains("1213"),
        "its own error: {error:?}"
    );
}
