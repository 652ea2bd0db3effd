//! Labels of models that several programs share.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
};

use rest_live::{
    __private::{Declaration, GroupDeclaration, GroupKey},
    Live, Subscribable,
    testing::Client,
};
use rest_live_redis::RedisLog;
use sea_orm::ActiveModelTrait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    entities::task::{self, TaskSerializer},
    support::{Engine, Example, Log, Redis, TestDatabase, database_of, soon, task as new_task},
};

/// Two programs of one package include the same serializers by `mod`. Their names are not part of
/// the labels.
#[tokio::test]
async fn programs_of_one_package_share_labels() {
    let redis = Redis::start().await;
    let database = TestDatabase::start(Engine::Postgres).await;
    let program = |name| {
        let mut command = Command::new(Example::program(name));
        command
            .env("DATABASE_URL", database.url())
            .env("REDIS_URL", redis.url())
            .stdout(Stdio::piped());
        command
    };
    let mut reader = program("label_reader").spawn().unwrap();
    let lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    let (sender, mut messages) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in lines {
            let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            sender.send(message).unwrap();
        }
    });
    let subscribed = soon("the subscription", messages.recv()).await.unwrap();
    assert_eq!(subscribed["type"], "subscribed", "{subscribed}");
    assert!(program("label_writer").status().unwrap().success());
    let broadcast = soon("the change", messages.recv()).await.unwrap();
    assert_eq!(broadcast["payload"], json!({"id": 1}), "{broadcast}");
    assert!(reader.wait().unwrap().success());
}

/// The tasks as a program of another package calls them. The other tests must not register it.
#[derive(serde::Serialize)]
struct WorkerTask {}

impl Subscribable for WorkerTask {
    type Entity = task::Entity;

    const DECLARATION: Declaration<task::Column> = Declaration {
        serializer: "WorkerTask",
        module: module_path!(),
        model: Some("worker.Task"),
        rank: 0,
        check_permission: None,
        filter: None,
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: GroupKey::PrimaryKey { choices: || None },
            authorize: None,
            public: false,
        }],
    };

    fn from_row(_: &task::Model) -> Self {
        Self {}
    }
}

#[tokio::test]
async fn other_label_of_a_model_is_reported() {
    let redis = Redis::start().await;
    let (db, _database) = database_of(Engine::Sqlite).await;
    let open = async || RedisLog::connect(&redis.url()).await.unwrap();
    let builder = Live::<()>::builder(db.clone()).discover(false);
    let log = Log::start();
    let live = builder.register::<TaskSerializer>().log(open().await);
    let live = live.build().unwrap();
    let worker = Live::<()>::builder(db).discover(false).log(open().await);
    let worker = worker.register::<WorkerTask>().build().unwrap();
    let mut client = Client::connect(&live, ());
    let request = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    for id in [1, 2] {
        new_task(id, "from the worker", 1)
            .insert(&worker.db())
            .await
            .unwrap();
    }
    new_task(3, "own", 1).insert(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["payload"]["text"], "own");
    let log = log.end();
    assert_eq!(
        log.matches("changes of the model `worker.Task`").count(),
        1,
        "{log}"
    );
    assert!(
        log.contains("write model = \"todolist.Task\" above"),
        "{log}"
    );
}
