//! Rows and columns that a role of PostgreSQL may write and not read: rest-live must not read them
//! in the statement that writes them.

use rest_live::log::MemoryLog;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, EntityTrait, ModelTrait, TransactionTrait,
};
use serde_json::json;

use crate::{
    entities::task,
    support::{
        secured::{Follower, Secured, begin},
        task as new_task,
    },
};

/// Policies by which a role may write rows that it may not read.
const WRITE_ONLY: &str = "\
    DROP POLICY own ON task; \
    CREATE POLICY read ON task FOR SELECT USING (owner = current_setting('app.uid', true)); \
    CREATE POLICY insert ON task FOR INSERT WITH CHECK (true); \
    CREATE POLICY delete ON task FOR DELETE USING (true); \
    ALTER TABLE task ALTER owner SET DEFAULT 'u2'";

/// PostgreSQL refuses `RETURNING` for a row that the role may not read.
#[tokio::test]
async fn insert_of_an_unreadable_row_succeeds() {
    let secured = Secured::start().await;
    secured.sql(WRITE_ONLY).await;
    let list = r#"{"model":"todolist.Task","list_id":1}"#;
    let insert = |id| task::Entity::insert(new_task(id, "x", 1));
    for (id, is_in_transaction) in [(1, false), (2, true)] {
        let live = secured.build(MemoryLog::default(), |builder| builder);
        let follower = Follower::of(&live, list).await;
        if is_in_transaction {
            let transaction = begin(&live).await;
            let inserted = insert(id).exec_without_returning(&transaction).await;
            inserted.unwrap();
            transaction.commit().await.unwrap();
        } else {
            let inserted = insert(id).exec_without_returning(&live.db()).await;
            inserted.unwrap();
        }
        let received = follower.finish(&live).await;
        assert_eq!(json!(received.counts), json!({"reset": 1}));
    }
}

/// With `RETURNING`, PostgreSQL skips the rows that the role may not read.
#[tokio::test]
async fn delete_of_unreadable_rows_deletes_them() {
    let secured = Secured::start().await;
    secured.sql(WRITE_ONLY).await;
    let insert = "INSERT INTO task (id, text, done, list_id, owner) \
                  VALUES (1, 'a', false, 1, 'u1'), (2, 'b', false, 1, 'u2')";
    secured.sql(insert).await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let transaction = begin(&live).await;
    let deleted = task::Entity::delete_many()
        .exec(&transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(deleted.rows_affected, 2);
}

#[tokio::test]
async fn role_without_select_may_still_write() {
    let secured = Secured::start().await;
    let grants = "ALTER TABLE task DISABLE ROW LEVEL SECURITY; REVOKE ALL ON task FROM app; \
                  GRANT INSERT, DELETE, SELECT (id) ON task TO app";
    secured.sql(grants).await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let insert = task::Entity::insert(new_task(1, "x", 1));
    insert.exec_without_returning(&live.db()).await.unwrap();
    let delete = task::Entity::delete_by_id(1)
        .exec(&live.db())
        .await
        .unwrap();
    assert_eq!(delete.rows_affected, 1);
}

/// The hook must not read columns that the role may not read, and `RETURNING` neither.
#[tokio::test]
async fn role_with_some_columns_may_still_write() {
    let secured = Secured::start().await;
    let grants = "ALTER TABLE task DISABLE ROW LEVEL SECURITY; REVOKE ALL ON task FROM app; \
                  GRANT INSERT, DELETE, UPDATE (list_id), SELECT (id) ON task TO app";
    secured.sql(grants).await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    live.capture_plain_connections();
    let follower = Follower::of(&live, r#"{"model":"todolist.Task","list_id":1}"#).await;
    // SeaORM itself adds RETURNING "id".
    let insert = task::Entity::insert(new_task(1, "x", 1));
    insert.exec(&live.db()).await.unwrap();
    let moved = || task::ActiveModel {
        id: Unchanged(1),
        list_id: Set(2),
        ..Default::default()
    };
    let transaction = live.db().begin().await.unwrap();
    let update = moved().update_without_returning(&transaction).await;
    assert_eq!(update.unwrap().rows_affected, 1);
    transaction.commit().await.unwrap();
    let update = moved().update_without_returning(&live.db()).await;
    assert_eq!(update.unwrap().rows_affected, 1);
    let delete = moved().delete(&secured.app).await;
    assert_eq!(delete.unwrap().rows_affected, 1);
    let received = follower.finish(&live).await;
    assert!(received.counts.keys().eq(["reset"]), "{received:?}");
}

/// SeaORM runs the second hook of a delete even if the database has kept the row.
#[tokio::test]
async fn delete_that_keeps_the_row_is_not_sent() {
    let secured = Secured::start().await;
    let trigger = "ALTER TABLE task DISABLE ROW LEVEL SECURITY; \
                   CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS \
                   'BEGIN UPDATE task SET done = true WHERE id = OLD.id; RETURN NULL; END'; \
                   CREATE TRIGGER keep BEFORE DELETE ON task FOR EACH ROW EXECUTE FUNCTION keep()";
    secured.sql(trigger).await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    live.capture_plain_connections();
    let follower = Follower::of_new_row(&live).await;
    let row = task::Entity::find_by_id(1).one(&secured.app).await.unwrap();
    let deleted = row.unwrap().delete(&secured.app).await.unwrap();
    assert_eq!(deleted.rows_affected, 0);
    let received = follower.finish(&live).await;
    assert!(received.counts.keys().eq(["UPDATED"]), "{received:?}");
}

/// The tables of two tenants can have different rights.
#[tokio::test]
async fn rights_of_one_scope_say_nothing_of_another() {
    let secured = Secured::start().await;
    let schema = "ALTER TABLE task DISABLE ROW LEVEL SECURITY; \
                  CREATE SCHEMA b; CREATE TABLE b.task (LIKE task INCLUDING ALL); \
                  GRANT USAGE ON SCHEMA b TO app; GRANT INSERT ON b.task TO app";
    secured.sql(schema).await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let insert = || task::Entity::insert(new_task(1, "x", 1));
    insert().exec_without_returning(&live.db()).await.unwrap();
    let transaction = live.db().in_scope("b").begin().await.unwrap();
    let set = "SET LOCAL search_path TO b";
    transaction.execute_unprepared(set).await.unwrap();
    let inserted = insert().exec_without_returning(&transaction).await;
    assert_eq!(inserted.unwrap(), 1);
    transaction.commit().await.unwrap();
}
