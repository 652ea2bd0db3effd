//! Raw SQL that writes to a subscribed table, in the syntax of each database: each change is sent.

use sea_orm::ConnectionTrait;

use super::fixture::{Fixture, NOTHING};
use crate::support::Engine;

/// Runs texts one by one, and asserts that the client receives something of each text that changes
/// a task.
async fn assert_each_is_sent(engine: Engine, texts: &[&str]) {
    let mut fixture = Fixture::fresh(engine).await;
    let mut missed = Vec::new();
    for sql in texts {
        fixture.refresh().await;
        let before = fixture.rows().await;
        // Some versions do not support every text.
        _ = fixture.live.db().execute_unprepared(sql).await;
        let is_changed = fixture.rows().await != before;
        let received = fixture.received().await;
        if is_changed && received.is_empty() {
            missed.push(*sql);
        }
    }
    assert_eq!(missed, NOTHING);
}

#[tokio::test]
async fn sqlite() {
    assert_each_is_sent(
        Engine::Sqlite,
        &[
            "/* route='/api/*' */ DELETE FROM task WHERE id = 1",
            "\u{feff}DELETE FROM task WHERE id = 1",
            "DELETE FROM 'task' WHERE id = 1",
            "UPDATE main.'task' SET text = 'x' WHERE id = 1",
            "INSERT INTO 'task' VALUES (7, 'seven', 0, 1)",
            "INSERT OR REPLACE INTO [task] VALUES (1, 'seven', 0, 1)",
            "REPLACE INTO task VALUES (1, 'seven', 0, 1)",
            "WITH a AS (SELECT 1) UPDATE task SET text = 'x' WHERE id = 1",
            "SELECT 1; -- it's\nDELETE FROM task WHERE id = 1",
        ],
    )
    .await;
}

#[tokio::test]
async fn postgres() {
    assert_each_is_sent(
        Engine::Postgres,
        &[
            "EXPLAIN ANALYZE DELETE FROM task WHERE id = 1",
            "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 2) SEARCH DEPTH FIRST BY n SET o DELETE FROM task WHERE id = 1",
            "INSERT INTO U&\"t\\0061sk\" VALUES (7, 'seven', FALSE, 1)",
            "DELETE FROM U&\"t\\0061sk\" WHERE id = 1",
            "MERGE INTO public.task AS t USING (SELECT 1 AS i) AS s ON t.id = s.i WHEN MATCHED THEN DELETE",
            "PREPARE p AS DELETE FROM task WHERE id = 1; EXECUTE p",
            "TRUNCATE ONLY task",
            "SELECT $a$ ; $a$; DELETE FROM task WHERE id = 1",
            "ALTER TABLE task RENAME TO task_old; CREATE TABLE task AS SELECT * FROM task_old WHERE id = 2",
        ],
    )
    .await;
}

#[tokio::test]
async fn mariadb() {
    assert_each_is_sent(
        Engine::MariaDb,
        &[
            "/* route='/api/*' */ DELETE FROM task WHERE id = 1",
            "INSERT LOW_PRIORITY task VALUES (7, 'seven', 0, 1)",
            "INSERT HIGH_PRIORITY IGNORE task VALUES (8, 'eight', 0, 1)",
            "REPLACE LOW_PRIORITY task VALUES (1, 'eight', 0, 1)",
            "SET STATEMENT max_statement_time = 10 FOR DELETE FROM task WHERE id = 1",
            "ANALYZE FORMAT=JSON DELETE FROM task WHERE id = 1",
            "BEGIN NOT ATOMIC DELETE FROM task WHERE id = 1; END",
            "IF 1 THEN DELETE FROM task WHERE id = 1; END IF",
            "SELECT 3--1; DELETE FROM task WHERE id = 1",
            "DELETE t FROM task AS t WHERE t.id = 1",
            "EXECUTE IMMEDIATE 'DELETE FROM task WHERE id = 1'",
            "CREATE OR REPLACE TABLE task_new AS SELECT * FROM task WHERE id = 2",
            "RENAME TABLE task TO task_old, task_new TO task",
        ],
    )
    .await;
}
