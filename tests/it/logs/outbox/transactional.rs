//! A write and its events commit in one transaction, or not at all.

use rest_live::{Live, LiveEntity};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection,
    DbBackend, EntityTrait, QueryFilter, Statement, TransactionTrait, sea_query::Expr,
};

use super::up;
use crate::{
    entities::task,
    support::{Engine, TestDatabase, database_of, task as new_task},
};

struct World {
    live: Live,
    plain: DatabaseConnection,
    _database: TestDatabase,
}

impl World {
    async fn start() -> Self {
        let (plain, database) = database_of(Engine::Postgres).await;
        up(&plain, &Outbox).await;
        Self::on(plain, database).await
    }

    async fn on(plain: DatabaseConnection, database: TestDatabase) -> Self {
        let db = database.connect().await;
        let log = OutboxLog::open(db.clone()).await.unwrap();
        Self {
            live: Live::<()>::builder(db).log(log).build().unwrap(),
            plain,
            _database: database,
        }
    }

    /// Returns the letters of the operations in the log.
    async fn events(&self) -> String {
        let sql = "SELECT coalesce(string_agg(op::text, '' ORDER BY seq), '') FROM live_event";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = self.plain.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    async fn rows(&self) -> usize {
        task::Entity::find().all(&self.plain).await.unwrap().len()
    }
}

#[tokio::test]
async fn events_commit_with_their_write() {
    let world = World::start().await;
    let db = world.live.db();
    let row = new_task(1, "a", 1).insert(&db).await.unwrap();
    assert_eq!(world.events().await, "I");
    let mut moved = new_task(1, "a", 2);
    moved.text = Set("b".to_owned());
    moved.update(&db).await.unwrap();
    assert_eq!(world.events().await, "IU");

    let transaction = db.begin().await.unwrap();
    new_task(2, "c", 1).insert(&transaction).await.unwrap();
    let savepoint = transaction.begin().await.unwrap();
    new_task(3, "d", 1).insert(&savepoint).await.unwrap();
    savepoint.rollback().await.unwrap();
    assert_eq!(world.events().await, "IU");
    transaction.commit().await.unwrap();
    assert_eq!(world.events().await, "IUI");

    let transaction = db.begin().await.unwrap();
    new_task(4, "e", 1).insert(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    drop(row);
    task::Entity::live_delete_many()
        .filter(task::Column::Id.gt(0))
        .exec(&db)
        .await
        .unwrap();
    assert_eq!(world.events().await, "IUIDD");
}

#[tokio::test]
async fn write_fails_if_its_event_fails() {
    let world = World::start().await;
    let db = world.live.db();
    new_task(1, "a", 1).insert(&db).await.unwrap();
    let sql = "ALTER TABLE live_event ADD CHECK (model <> 'todolist.Task') NOT VALID";
    world.plain.execute_unprepared(sql).await.unwrap();
    let error = new_task(2, "b", 1).insert(&db).await.unwrap_err();
    assert!(error.to_string().contains("live_event"), "{error}");
    let transaction = db.begin().await.unwrap();
    new_task(3, "c", 1).insert(&transaction).await.unwrap();
    transaction.commit().await.unwrap_err();
    assert_eq!((world.rows().await, &*world.events().await), (1, "I"));
    // The connections still work.
    let sql = "ALTER TABLE live_event DROP CONSTRAINT live_event_model_check";
    world.plain.execute_unprepared(sql).await.unwrap();
    new_task(2, "b", 1).insert(&db).await.unwrap();
    assert_eq!((world.rows().await, &*world.events().await), (2, "II"));
}

#[tokio::test]
async fn failed_statement_leaves_no_event() {
    let world = World::start().await;
    let db = world.live.db();
    new_task(1, "a", 1).insert(&db).await.unwrap();
    let error = new_task(1, "again", 1).insert(&db).await.unwrap_err();
    assert!(
        matches!(
            error.sql_err(),
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
        ),
        "{error}"
    );
    assert_eq!((world.rows().await, &*world.events().await), (1, "I"));
    // A bulk update reads the old rows in the same transaction.
    let update = task::Entity::update_many().col_expr(task::Column::ListId, Expr::value(2));
    let update = update.filter(task::Column::Id.eq(1));
    update.exec(&db).await.unwrap();
    assert_eq!(world.events().await, "IU");
    // One of unknown rows is a reset, also in the same transaction.
    let update = "UPDATE task SET list_id = 3 WHERE id = 1";
    db.execute_unprepared(update).await.unwrap();
    assert_eq!(world.events().await, "IUT");
    // A statement that PostgreSQL refuses in a transaction still works.
    db.execute_unprepared("VACUUM task").await.unwrap();
}

#[tokio::test]
async fn captured_table_gets_no_second_event() {
    let (plain, database) = database_of(Engine::Postgres).await;
    up(&plain, &Outbox).await;
    let capture = Capture::of::<task::Entity>("todolist.Task").named("tasks");
    up(&plain, &capture).await;
    let world = World::on(plain, database).await;
    let db = world.live.db();
    new_task(1, "a", 1).insert(&db).await.unwrap();
    new_task(1, "b", 2).update(&db).await.unwrap();
    let transaction = db.begin().await.unwrap();
    new_task(2, "c", 1).insert(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    new_task(1, "b", 2).delete(&db).await.unwrap();
    assert_eq!(world.events().await, "IUID");
}
