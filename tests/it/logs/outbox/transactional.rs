//! What the ORM writes is committed with its events, or not at all.

use rest_live::{
    __private::{Declaration, GroupDeclaration, Permission},
    BuildError, Live, LiveEntity, RegistryError, Subscribable,
};
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

    /// Returns the letters of the events that are there.
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
async fn events_are_there_when_the_write_is_and_not_before() {
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
async fn a_write_whose_event_cannot_be_kept_is_none() {
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
    // The connections are as good as before.
    let sql = "ALTER TABLE live_event DROP CONSTRAINT live_event_model_check";
    world.plain.execute_unprepared(sql).await.unwrap();
    new_task(2, "b", 1).insert(&db).await.unwrap();
    assert_eq!((world.rows().await, &*world.events().await), (2, "II"));
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nothing_and_says_why() {
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
    // What cannot be known row by row is a reset, in the same transaction.
    task::Entity::update_many()
        .col_expr(task::Column::ListId, Expr::value(2))
        .filter(task::Column::Id.eq(1))
        .exec(&db)
        .await
        .unwrap();
    assert_eq!(world.events().await, "IT");
    // What PostgreSQL does not run in a transaction runs.
    db.execute_unprepared("VACUUM task").await.unwrap();
}

#[tokio::test]
async fn what_a_trigger_writes_nobody_else_does() {
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

/// A serializer of tasks that not everybody may see, in no registry but of this test.
#[derive(serde::Serialize)]
struct Guarded {}

impl Subscribable for Guarded {
    type Entity = task::Entity;

    const DECLARATION: Declaration<task::Column> = Declaration {
        serializer: "Guarded",
        module: "it",
        model: Some("todolist.Task"),
        rank: 0,
        check_permission: Some(|| Permission::of::<task::Model, ()>(|(), row| !row.done)),
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: None,
            authorize: None,
            public: false,
        }],
    };

    fn from_row(_: &task::Model) -> Self {
        Self {}
    }
}

/// A trigger writes what a transaction shows in between, too: rows that were never committed so.
#[tokio::test]
async fn triggers_are_refused_for_rows_that_not_everybody_may_see() {
    let (plain, _database) = database_of(Engine::Postgres).await;
    up(&plain, &Outbox).await;
    let build = async || {
        let log = OutboxLog::open(plain.clone()).await.unwrap();
        let live = Live::<()>::builder(plain.clone()).discover(false);
        live.register::<Guarded>().log(log).build()
    };
    build().await.unwrap();
    let capture = Capture::of::<task::Entity>("todolist.Task").named("tasks");
    up(&plain, &capture).await;
    let Err(BuildError::Registry(errors)) = build().await else {
        panic!("it is built");
    };
    let label = "todolist.Task".to_owned();
    assert_eq!(errors, [RegistryError::CapturedPermission { label }]);
}
