//! Rows and columns that a role of PostgreSQL may write and not read: rest-live must not read them
//! in the statement that writes them.

use rest_live::log::MemoryLog;
use sea_orm::EntityTrait;
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
