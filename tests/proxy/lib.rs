//! A live connection to SeaORM's `ProxyDatabase` runs the statements of the application unchanged
//! and no others. `tests/it/capture/mock_database.rs` tests the same with a `MockDatabase`.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use rest_live::{Live, subscribable, testing::Client};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, EntityTrait, ModelTrait,
    ProxyDatabaseTrait, ProxyExecResult, ProxyRow, Statement, TransactionSession, TransactionTrait,
    Value, prelude::async_trait,
};
use serde_json::json;

mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        pub list_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(entity = task::Entity, model = "todolist.Task")]
#[subscribable(group_key = "list_id")]
#[derive(serde::Serialize)]
struct TaskSerializer {
    id: i32,
    text: String,
}

fn row() -> task::Model {
    task::Model {
        id: 1,
        text: "one".to_owned(),
        list_id: 1,
    }
}

/// What a proxy was asked to do.
type Calls = Arc<Mutex<Vec<String>>>;

/// Answers each query with one row, and notes what it is asked.
#[derive(Debug)]
struct Proxy(Calls);

impl Proxy {
    fn note(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Proxy {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        self.note(format!("query {statement}"));
        let task::Model { id, text, list_id } = row();
        let values: BTreeMap<String, Value> = [
            ("id".to_owned(), id.into()),
            ("text".to_owned(), text.into()),
            ("list_id".to_owned(), list_id.into()),
        ]
        .into();
        Ok(vec![ProxyRow { values }])
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        self.note(format!("execute {statement}"));
        Ok(ProxyExecResult::new(1, 1))
    }

    async fn begin(&self) {
        self.note("begin");
    }

    async fn commit(&self) {
        self.note("commit");
    }

    async fn rollback(&self) {
        self.note("rollback");
    }

    fn start_rollback(&self) {
        self.note("start_rollback");
    }
}

async fn proxy(backend: DbBackend) -> (DatabaseConnection, Calls) {
    let calls = Calls::default();
    let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(Proxy(Arc::clone(&calls)));
    let db = Database::connect_proxy(backend, Arc::new(proxy)).await;
    (db.unwrap(), calls)
}

fn moved() -> task::ActiveModel {
    task::ActiveModel {
        id: Set(1),
        text: Set("moved".to_owned()),
        list_id: Set(2),
    }
}

async fn handler<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<String, DbErr> {
    let mut answers = format!("{:?}", moved().insert(db).await?);
    answers += &format!("{:?}", moved().update(db).await?);
    answers += &format!("{:?}", moved().update_without_returning(db).await?);
    answers += &format!("{:?}", row().delete(db).await?);
    let two = [moved(), moved()];
    answers += &format!("{:?}", task::Entity::insert_many(two).exec(db).await?);
    answers += &format!("{:?}", task::Entity::delete_many().exec(db).await?);
    db.execute_unprepared("DELETE FROM task").await?;
    let transaction = db.begin().await?;
    answers += &format!("{:?}", moved().insert(&transaction).await?);
    answers += &format!("{:?}", row().delete(&transaction).await?);
    transaction.commit().await?;
    let undone = db.begin().await?;
    row().delete(&undone).await?;
    undone.rollback().await?;
    Ok(answers)
}

#[tokio::test]
async fn proxy_receives_what_the_handler_sends() {
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        let (plain, expected_calls) = proxy(backend).await;
        let expected = handler(&plain).await.unwrap();
        let (db, calls) = proxy(backend).await;
        let live = Live::<()>::builder(db).build().unwrap();
        let answers = handler(&live.db()).await.unwrap();
        live.shutdown().await;
        assert_eq!(answers, expected, "{backend:?}");
        assert_eq!(
            *calls.lock().unwrap(),
            *expected_calls.lock().unwrap(),
            "{backend:?}"
        );
    }
}

#[tokio::test]
async fn clients_receive_what_hooks_know() {
    let (db, _calls) = proxy(DbBackend::Postgres).await;
    let live = Live::builder(db).build().unwrap();
    let mut client = Client::connect(&live, ());
    let request = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    moved().insert(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["payload"], json!({"id": 1, "text": "one"}));
    moved().update(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["type"], "reset");
}
