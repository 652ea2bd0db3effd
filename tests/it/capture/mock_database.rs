//! Unit tests of handlers with SeaORM's `MockDatabase`: a live connection to a mock runs the
//! statements of the application unchanged and no others, and gives the same answers.

use std::fmt::Debug;

use futures_util::TryStreamExt;
use rest_live::{Live, testing::Client};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    IntoActiveModel, MockDatabase, MockExecResult, ModelTrait, QueryFilter, Statement, StreamTrait,
    TransactionSession, TransactionTrait,
    sea_query::{Expr, OnConflict},
};
use serde_json::json;

use crate::{entities::task, support::task as new_task};

const BACKENDS: [DbBackend; 3] = [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite];

fn row() -> task::Model {
    task::Model {
        id: 1,
        text: "one".to_owned(),
        done: false,
        list_id: 1,
    }
}

fn text_of(text: &str) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(1),
        text: Set(text.to_owned()),
        ..Default::default()
    }
}

/// Creates a mock that answers each query with one row, and each statement with one affected row.
fn mock(backend: DbBackend) -> DatabaseConnection {
    let exec = MockExecResult {
        last_insert_id: 1,
        rows_affected: 1,
    };
    MockDatabase::new(backend)
        .append_query_results(vec![[row()]; 60])
        .append_exec_results(vec![exec; 60])
        .into_connection()
}

/// Runs statements of every kind, and returns what the database answered.
async fn handler<C>(db: &C) -> Vec<String>
where
    C: ConnectionTrait + TransactionTrait + StreamTrait,
{
    let mut answers = Vec::new();
    let mut note = |answer: &dyn Debug| answers.push(format!("{answer:?}"));
    let backend = ConnectionTrait::get_database_backend(db);
    note(&new_task(1, "one", 1).insert(db).await);
    let new = task::ActiveModel {
        id: NotSet,
        ..new_task(1, "one", 1)
    };
    note(&new.save(db).await);
    note(&text_of("two").update(db).await);
    note(&new_task(1, "moved", 2).update(db).await);
    note(&row().into_active_model().update(db).await);
    note(&text_of("three").update_without_returning(db).await);
    note(&row().delete(db).await);
    note(&task::Entity::delete_by_id(1).exec(db).await);
    note(&task::Entity::insert(new_task(1, "one", 1)).exec(db).await);
    let conflict = OnConflict::column(task::Column::Id)
        .update_column(task::Column::Text)
        .to_owned();
    let upsert = task::Entity::insert(new_task(1, "one", 1)).on_conflict(conflict);
    note(&upsert.exec_without_returning(db).await);
    let two = [new_task(1, "one", 1), new_task(2, "two", 1)];
    note(&task::Entity::insert_many(two).exec(db).await);
    let updates = task::Entity::update_many()
        .col_expr(task::Column::Text, Expr::value("all"))
        .filter(task::Column::ListId.eq(1));
    note(&updates.clone().exec(db).await);
    if backend == DbBackend::Postgres {
        note(&updates.exec_with_returning(db).await);
    }
    note(&task::Entity::delete_many().exec(db).await);
    note(
        &db.execute_unprepared("DELETE FROM task")
            .await
            .map(|r| r.rows_affected()),
    );
    let raw = Statement::from_sql_and_values(backend, "UPDATE task SET done = ?", [true.into()]);
    note(&db.execute_raw(raw.clone()).await.map(|r| r.rows_affected()));
    note(&db.query_one_raw(raw.clone()).await.map(|row| row.is_some()));
    note(&task::Entity::find().all(db).await);
    let rows: Result<Vec<_>, _> = match task::Entity::find().stream(db).await {
        Ok(rows) => rows.try_collect().await,
        Err(error) => Err(error),
    };
    note(&rows);

    let transaction = db.begin().await.unwrap();
    note(&new_task(1, "one", 1).insert(&transaction).await);
    note(
        &text_of("unread")
            .update_without_returning(&transaction)
            .await,
    );
    let savepoint = transaction.begin().await.unwrap();
    note(&new_task(1, "moved", 2).update(&savepoint).await);
    savepoint.commit().await.unwrap();
    note(&row().delete(&transaction).await);
    transaction.commit().await.unwrap();
    let undone = db.begin().await.unwrap();
    note(&task::Entity::delete_by_id(1).exec(&undone).await);
    undone.rollback().await.unwrap();
    answers
}

#[tokio::test]
async fn handler_runs_as_without_rest_live() {
    for backend in BACKENDS {
        let plain = mock(backend);
        let expected = handler(&plain).await;
        assert!(
            expected.iter().all(|answer| !answer.starts_with("Err")),
            "{expected:?}"
        );

        let db = mock(backend);
        let live = Live::<()>::builder(db.clone()).build().unwrap();
        let answers = handler(&live.db()).await;
        assert_eq!(answers, expected, "{backend:?}");
        live.shutdown().await;
        assert_eq!(
            db.into_transaction_log(),
            plain.into_transaction_log(),
            "{backend:?}"
        );
    }
}

/// A failed statement fails with its own error, and a failed transaction runs nothing more.
#[tokio::test]
async fn prepared_error_reaches_the_handler() {
    for backend in BACKENDS {
        let failing = || {
            let error = || DbErr::Custom("the disk is full".to_owned());
            MockDatabase::new(backend)
                .append_exec_errors([error(), error()])
                .append_query_errors([error(), error()])
                .into_connection()
        };
        let plain = failing();
        let expected = fail(&plain).await;
        let db = failing();
        let live = Live::<()>::builder(db.clone()).build().unwrap();
        assert_eq!(fail(&live.db()).await, expected, "{backend:?}");
        live.shutdown().await;
        assert_eq!(db.into_transaction_log(), plain.into_transaction_log());
    }
}

async fn fail<C: ConnectionTrait + TransactionTrait>(db: &C) -> [String; 2] {
    let error = text_of("two").update(db).await.expect_err("prepared");
    let transaction = db.begin().await.unwrap();
    let other = task::Entity::delete_by_id(1)
        .exec(&transaction)
        .await
        .expect_err("prepared");
    transaction.commit().await.unwrap();
    [error.to_string(), other.to_string()]
}

/// What a hook knows is sent. What is not known without a query is a reset.
#[tokio::test]
async fn clients_receive_what_hooks_know() {
    for backend in BACKENDS {
        let live = Live::builder(mock(backend)).build().unwrap();
        let mut client = Client::connect(&live, ());
        let request = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
        client.send_json(request).await;
        assert_eq!(client.receive_json().await["type"], "subscribed");

        let db = live.db();
        new_task(1, "one", 1).insert(&db).await.unwrap();
        assert_eq!(client.receive_json().await["action"], "CREATED");
        text_of("two").update(&db).await.unwrap();
        assert_eq!(client.receive_json().await["action"], "UPDATED");
        new_task(1, "moved", 2).update(&db).await.unwrap();
        assert_eq!(client.receive_json().await["type"], "reset");
        row().delete(&db).await.unwrap();
        assert_eq!(client.receive_json().await["type"], "reset");
        task::Entity::delete_many().exec(&db).await.unwrap();
        assert_eq!(client.receive_json().await["type"], "reset");

        let transaction = db.begin().await.unwrap();
        new_task(1, "one", 1).insert(&transaction).await.unwrap();
        client.receive_nothing().await;
        transaction.commit().await.unwrap();
        assert_eq!(client.receive_json().await["action"], "CREATED");
        let transaction = db.begin().await.unwrap();
        text_of("unread")
            .update_without_returning(&transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(client.receive_json().await["type"], "reset");
        let transaction = db.begin().await.unwrap();
        row().delete(&transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        client.receive_nothing().await;
    }
}
