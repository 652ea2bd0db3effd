//! A row that is read again after overlapping writes, and is not found any more.

use rest_live::Live;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, DatabaseConnection,
};
use serde_json::json;

use crate::{
    entities::task,
    support::{Engine, GateLog, database_of, secured::Follower, task as new_task},
};

crate::support::on_each_engine! {
    concurrently_deleted_row_is_deleted
}

/// Deletes row 1 while the append of an update of it is held. Returns how often a subscriber
/// receives what.
async fn delete_concurrently(db: DatabaseConnection) -> serde_json::Value {
    let log = GateLog::default();
    let live = Live::<()>::builder(db).log(log.clone()).build().unwrap();
    new_task(1, "old", 1).insert(&live.db()).await.unwrap();
    let follower = Follower::of(&live, r#"{"model":"todolist.Task","pk":1}"#).await;
    log.shut();
    let update = task::ActiveModel {
        id: Unchanged(1),
        text: Set("new".to_owned()),
        ..Default::default()
    };
    let db = live.db();
    let writer = tokio::spawn(async move { update.update(&db).await.unwrap() });
    log.arrived().await;
    new_task(1, "", 1).delete(&live.db()).await.unwrap();
    log.open();
    writer.await.unwrap();
    json!(follower.finish(&live).await.counts)
}

async fn concurrently_deleted_row_is_deleted(engine: Engine) {
    let (db, _database) = database_of(engine).await;
    let expected = json!({"DELETED": 1, "UPDATED": 1});
    assert_eq!(delete_concurrently(db).await, expected);
}

/// A view could show other rows to another connection.
#[tokio::test]
async fn row_that_leaves_a_view_is_a_reset_mariadb() {
    let (db, _database) = database_of(Engine::MariaDb).await;
    for sql in [
        "RENAME TABLE task TO task_of_all",
        "CREATE VIEW task AS SELECT * FROM task_of_all WHERE list_id < 100",
    ] {
        db.execute_unprepared(sql).await.unwrap();
    }
    let expected = json!({"UPDATED": 1, "reset": 1});
    assert_eq!(delete_concurrently(db).await, expected);
}
