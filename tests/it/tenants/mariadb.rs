//! `USE` in MariaDB, which chooses the database of unqualified tables for the connection.

use rest_live::Live;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::fixture::{client, received};
use crate::support::{Engine, Log, TestDatabase, database_of, task};

/// Opens a server with two databases, and returns the name of the first. The second is `b`.
async fn databases() -> (DatabaseConnection, TestDatabase, String) {
    let (db, database) = database_of(Engine::MariaDb).await;
    db.execute_unprepared("CREATE DATABASE b").await.unwrap();
    let statement =
        sea_orm::Statement::from_string(sea_orm::DbBackend::MySql, "SELECT database() AS name");
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let name: String = row.try_get("", "name").unwrap();
    let create = format!("CREATE TABLE b.task LIKE {name}.task");
    db.execute_unprepared(&create).await.unwrap();
    (db, database, name)
}

#[tokio::test]
async fn row_of_another_database_is_not_sent() {
    let (db, database, name) = databases().await;
    // A `Live` for each case, because the switch stays on a connection of its pool.
    for use_b in ["USE b", "use `b`", "/*!50000 USE b */", "SELECT 1; USE b"] {
        let pool = database.connect().await;
        let live = Live::<()>::builder(pool).build().unwrap();
        let mut client = client(&live, None).await;
        let t = live.db().begin().await.unwrap();
        task(1, "before", 1).insert(&t).await.unwrap();
        t.execute_unprepared(use_b).await.unwrap();
        task(1, "b", 1).insert(&t).await.unwrap();
        task(1, "b2", 1).update(&t).await.unwrap();
        t.execute_unprepared(&format!("USE {name}")).await.unwrap();
        task(2, "after", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        let expected = ["CREATED before", "CREATED after"];
        assert_eq!(received(&mut client).await, expected, "{use_b}");
        // The connection is in the first database again.
        task(3, "later", 1).insert(&live.db()).await.unwrap();
        assert_eq!(received(&mut client).await, ["CREATED later"], "{use_b}");
        let clear = format!("DELETE FROM {name}.task; DELETE FROM b.task");
        db.execute_unprepared(&clear).await.unwrap();
    }
}

#[tokio::test]
async fn use_outlives_a_rollback() {
    let (_db, database, _name) = databases().await;
    for rolls_back in [true, false] {
        let live = Live::<()>::builder(database.connect().await);
        let live = live.build().unwrap();
        let mut client = client(&live, None).await;
        let log = Log::start();
        let t = live.db().begin().await.unwrap();
        t.execute_unprepared("USE b").await.unwrap();
        if rolls_back {
            t.rollback().await.unwrap();
        } else {
            t.commit().await.unwrap();
        }
        // The pool may give this write the same connection.
        _ = task(1, "unknown", 1).insert(&live.db()).await;
        assert_eq!(received(&mut client).await, [""; 0]);
        let log = log.end();
        assert!(log.contains("outlives its transaction"), "{log}");
    }
}

#[tokio::test]
async fn scope_of_a_database_receives_its_rows() {
    let (db, _database, name) = databases().await;
    let live = Live::<()>::builder(db).build().unwrap();
    let mut default = client(&live, None).await;
    let mut tenant = client(&live, Some("b")).await;
    let t = live.db().in_scope("b").begin().await.unwrap();
    t.execute_unprepared("USE b").await.unwrap();
    task(1, "b", 1).insert(&t).await.unwrap();
    task(1, "b2", 1).update(&t).await.unwrap();
    t.execute_unprepared(&format!("USE {name}")).await.unwrap();
    t.commit().await.unwrap();
    task(1, "default", 1).insert(&live.db()).await.unwrap();
    assert_eq!(received(&mut default).await, ["CREATED default"]);
    assert_eq!(received(&mut tenant).await, ["CREATED b", "UPDATED b2"]);
}
