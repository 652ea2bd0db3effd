//! `USE` in MariaDB, which chooses the database of unqualified tables for the connection.

use rest_live::Live;
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection, TransactionTrait};

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
    let (_db, database, name) = databases().await;
    // A `Live` for each case, because the switch stays on a connection of its pool.
    for use_b in ["USE b", "use `b`", "/*!50000 USE b */", "SELECT 1; USE b"] {
        let live = Live::<()>::builder(database.connect().await);
        let live = live.build().unwrap();
        let mut client = client(&live, None).await;
        let log = Log::start();
        let t = live.db().begin().await.unwrap();
        t.execute_unprepared(use_b).await.unwrap();
        task(1, "b", 1).insert(&t).await.unwrap();
        // The text was prepared in `b`, and MariaDB still runs it there.
        t.execute_unprepared(&format!("USE {name}")).await.unwrap();
        task(2, "also b", 1).insert(&t).await.unwrap();
        t.rollback().await.unwrap();
        let t = live.db().begin().await.unwrap();
        _ = task(3, "unknown", 1).insert(&t).await;
        t.commit().await.unwrap();
        // The pool may give this write the same connection.
        _ = task(4, "unknown", 1).insert(&live.db()).await;
        assert_eq!(received(&mut client).await, [""; 0], "{use_b}");
        let log = log.end();
        assert!(log.contains("outlives its transaction"), "{use_b}: {log}");
        assert!(log.contains("a change was withheld"), "{use_b}: {log}");
    }
}

#[tokio::test]
async fn failed_use_has_no_effect() {
    let (db, _database, _name) = databases().await;
    let live = Live::<()>::builder(db).build().unwrap();
    let mut client = client(&live, None).await;
    assert!(live.db().execute_unprepared("USE nowhere").await.is_err());
    let t = live.db().begin().await.unwrap();
    assert!(t.execute_unprepared("USE nowhere").await.is_err());
    task(1, "default", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn pool_of_a_database_belongs_to_its_scope() {
    let (db, database, name) = databases().await;
    let live = Live::<()>::builder(db).build().unwrap();
    let mut default = client(&live, None).await;
    let mut tenant = client(&live, Some("b")).await;
    let url = database.url();
    let url = url.strip_suffix(&name).unwrap();
    let pool = Database::connect(format!("{url}b")).await.unwrap();
    let db = live.db().in_scope_on("b", pool);
    task(1, "b", 1).insert(&db).await.unwrap();
    let t = db.begin().await.unwrap();
    task(1, "b2", 1).update(&t).await.unwrap();
    t.commit().await.unwrap();
    task(1, "default", 1).insert(&live.db()).await.unwrap();
    assert_eq!(received(&mut default).await, ["CREATED default"]);
    assert_eq!(received(&mut tenant).await, ["CREATED b", "UPDATED b2"]);
}
