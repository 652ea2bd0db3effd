//! Events that triggers write: those of one transaction are a unit, and a permission sees no state
//! that was never committed.

use std::time::Duration;

use rest_live::{
    __private::{Declaration, GroupDeclaration, GroupKey, Permission},
    Live, Subscribable,
    testing::Client,
};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::up;
use crate::{
    entities::task,
    support::{Engine, TestDatabase, database_of},
};

/// A serializer of tasks, registered in these tests only. It shows no task that is done.
#[derive(serde::Serialize)]
struct OpenTask {
    id: i32,
    text: String,
}

impl Subscribable for OpenTask {
    type Entity = task::Entity;

    const DECLARATION: Declaration<task::Column> = Declaration {
        serializer: "OpenTask",
        module: "it",
        model: Some("todolist.Task"),
        rank: 0,
        check_permission: Some(|| Permission::of::<task::Model, ()>(|(), row| !row.done)),
        filter: None,
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: GroupKey::PrimaryKey { choices: || None },
            authorize: None,
            public: false,
        }],
    };

    fn from_row(row: &task::Model) -> Self {
        Self {
            id: row.id,
            text: row.text.clone(),
        }
    }
}

struct World {
    plain: DatabaseConnection,
    database: TestDatabase,
}

impl World {
    /// Starts a database with three tasks, of which the first is open. Triggers capture the tasks.
    async fn start() -> Self {
        let (plain, database) = database_of(Engine::Postgres).await;
        up(&plain, &Outbox).await;
        let capture = Capture::of::<task::Entity>("todolist.Task").named("tasks");
        up(&plain, &capture).await;
        let world = Self { plain, database };
        world
            .run(
                "INSERT INTO task (id, text, done, list_id) VALUES (1, 'open', false, 1), \
                 (2, 'done', true, 1), (3, 'other', false, 1)",
            )
            .await;
        world
    }

    /// Runs statements on a connection that rest-live does not know.
    async fn run(&self, sql: &str) {
        self.plain.execute_unprepared(sql).await.unwrap();
    }

    async fn live(&self) -> Live {
        let db = self.database.connect().await;
        let log = OutboxLog::open(db.clone()).await.unwrap();
        let live = Live::<()>::builder(db).discover(false);
        live.register::<OpenTask>().log(log).build().unwrap()
    }
}

/// Subscribes to the tasks, and returns the answers.
async fn subscribe(live: &Live, since: Option<&Value>) -> (Client, Vec<Value>) {
    let mut client = Client::connect(live, ());
    for id in 1..=4 {
        let group = json!({"pk": id});
        let request = json!({"id": id, "model": "todolist.Task", "group": group, "since": since});
        client.send_json(request).await;
    }
    let answers = client.received().await;
    (client, answers)
}

/// Returns the action and the text of each broadcast.
fn changes(frames: &[Value]) -> Vec<String> {
    let broadcasts = frames.iter().filter(|frame| frame["type"] == "broadcast");
    let change = |frame: &Value| {
        let (action, text) = (&frame["action"], &frame["payload"]["text"]);
        format!("{} {}", action.as_str().unwrap(), text.as_str().unwrap())
    };
    broadcasts.map(change).collect()
}

/// In each transaction, a row has a state that must not be shown.
const TRANSACTIONS: [(&str, &[&str]); 4] = [
    // It is hidden for a moment.
    (
        "UPDATE task SET done = true, text = 'hidden' WHERE id = 1; \
         UPDATE task SET done = false, text = 'still open' WHERE id = 1",
        &["UPDATED still open"],
    ),
    // It is visible for a moment.
    (
        "UPDATE task SET done = false, text = 'never committed' WHERE id = 2; \
         UPDATE task SET done = true WHERE id = 2",
        &[],
    ),
    // It exists for a moment.
    (
        "INSERT INTO task (id, text, done, list_id) VALUES (4, 'never committed', false, 1); \
         DELETE FROM task WHERE id = 4",
        &[],
    ),
    // Its subscribers see the last state that they could see before.
    (
        "UPDATE task SET text = 'never committed' WHERE id = 3; \
         UPDATE task SET done = true WHERE id = 3",
        &["DELETED other"],
    ),
];

#[tokio::test]
async fn transaction_shows_no_state_between() {
    let world = World::start().await;
    let live = world.live().await;
    let (mut client, answers) = subscribe(&live, None).await;
    let since = answers[0]["cursor"].clone();
    for (sql, expected) in TRANSACTIONS {
        world.run(&format!("BEGIN; {sql}; COMMIT")).await;
        let frames = client.received().await;
        assert_eq!(changes(&frames), expected, "{sql}");
        assert!(frames.iter().all(|frame| frame.get("unit").is_none()));
    }
    // A server that has not read these events, and one that has.
    for server in [&world.live().await, &live] {
        let (_client, frames) = subscribe(server, Some(&since)).await;
        let expected = ["UPDATED still open", "DELETED other"];
        assert_eq!(changes(&frames), expected, "{frames:?}");
    }
}

#[tokio::test]
async fn transaction_of_several_rows_is_one_unit() {
    let world = World::start().await;
    let live = world.live().await;
    let (mut client, _) = subscribe(&live, None).await;
    world
        .run(
            "BEGIN; UPDATE task SET text = 'a' WHERE id = 3; \
             UPDATE task SET text = 'never committed' WHERE id = 1; \
             UPDATE task SET text = 'b' WHERE id = 1; COMMIT",
        )
        .await;
    let frames = client.received().await;
    assert_eq!(changes(&frames), ["UPDATED a", "UPDATED b"]);
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert_eq!(frames[2]["type"], "unit");
    for frame in &frames[..2] {
        assert_eq!(frame["unit"], frames[2]["cursor"]);
    }
}

/// The last numbers of the outbox belong to a transaction that was rolled back, so that no event
/// follows them.
#[tokio::test]
async fn shutdown_ignores_numbers_of_a_rollback() {
    let world = World::start().await;
    let live = world.live().await;
    let mut client = Client::connect(&live, ());
    let request = json!({"id": 1, "model": "todolist.Task", "group": {"pk": 1}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    world
        .run("BEGIN; UPDATE task SET text = 'never'; ROLLBACK")
        .await;
    client.receive_nothing().await;
    let shutdown = timeout(Duration::from_secs(5), live.shutdown());
    let (in_time, goodbye) = tokio::join!(shutdown, client.receive_json());
    assert_eq!(goodbye["type"], "goodbye");
    assert!(in_time.is_ok(), "the shutdown waits for an event");
}
