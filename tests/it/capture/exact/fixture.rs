//! A `Live` on a database whose statements are counted, and a client with all the subscriptions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rest_live::{
    Live, LiveTransaction,
    log::{EventLog, MemoryLog},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbBackend, DbErr,
    EntityTrait, QueryOrder, QuerySelect, Schema, sqlx,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use super::entities::{author, book, book_tag, parcel, tag};
use crate::{
    entities::{note, task},
    support::{Client, DEADLINE, Engine, TICK, TestDatabase, database_of, soon, task as new_task},
};

/// The subscriptions: their ids, which the expected frames begin with, and their groups.
const SUBSCRIPTIONS: [(&str, &str, &str, i32); 12] = [
    ("list 1", "todolist.Task", "list_id", 1),
    ("list 2", "todolist.Task", "list_id", 2),
    ("task 1", "todolist.Task", "pk", 1),
    ("task 4", "todolist.Task", "pk", 4),
    ("shelf 1", "it.Parcel", "shelf", 1),
    ("shelf 2", "it.Parcel", "shelf", 2),
    ("parcel 1", "it.Parcel", "pk", 1),
    ("author 1", "it.Author", "pk", 1),
    ("books of 1", "it.Book", "author_id", 1),
    ("tag 1", "it.Tag", "pk", 1),
    ("tags of 1", "it.BookTag", "book_id", 1),
    ("tags of 2", "it.BookTag", "book_id", 2),
];

/// The frames of a write that sends nothing.
pub const NOTHING: [&str; 0] = [];

/// The frames of a write that resets the tasks.
pub const RESET: [&str; 1] = ["reset todolist.Task"];

pub struct Fixture {
    pub live: Live,
    /// The connection without rest-live.
    pub plain: DatabaseConnection,
    client: Client,
    statements: Arc<AtomicUsize>,
    log: MemoryLog,
    events: u64,
    markers: u32,
    server: AbortHandle,
    _database: TestDatabase,
}

/// Deletes the rows of a table, which has none.
async fn delete_all<E: EntityTrait>(live: &Live, _: E) {
    E::delete_many().exec(&live.db()).await.unwrap();
}

impl Fixture {
    /// Starts with the rows that every case begins with.
    pub async fn fresh(engine: Engine) -> Self {
        let mut fixture = Self::start(engine).await;
        fixture.refresh().await;
        fixture
    }

    pub async fn start(engine: Engine) -> Self {
        let (mut plain, database) = database_of(engine).await;
        create(&plain, parcel::Entity).await;
        create(&plain, author::Entity).await;
        create(&plain, book::Entity).await;
        create(&plain, tag::Entity).await;
        create(&plain, book_tag::Entity).await;
        // The database must not generate keys that the writes name.
        task::Entity::insert(new_task(1000, "highest", 0))
            .exec(&plain)
            .await
            .unwrap();
        if engine == Engine::Postgres {
            let restart = "ALTER SEQUENCE task_id_seq RESTART WITH 1001";
            plain.execute_unprepared(restart).await.unwrap();
        }
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        plain.set_metric_callback(move |_| _ = counter.fetch_add(1, Ordering::SeqCst));
        let log = MemoryLog::default();
        let live = Live::builder(plain.clone())
            .log(log.clone())
            .max_rows_per_statement(100);
        let live = live.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let routes = rest_live::warp::subscriptions(&live);
        let server = tokio::spawn(warp::serve(routes).incoming(listener).run()).abort_handle();
        let mut client = Client::connect(&url).await;
        // The first write of a table detects what the database allows, which may cost a statement.
        delete_all(&live, task::Entity).await;
        delete_all(&live, parcel::Entity).await;
        delete_all(&live, author::Entity).await;
        delete_all(&live, book::Entity).await;
        delete_all(&live, tag::Entity).await;
        delete_all(&live, book_tag::Entity).await;
        for (id, model, key, value) in SUBSCRIPTIONS {
            let request = json!({"id": id, "model": model, "group": {key: value}});
            client.send(&request.to_string()).await;
            assert_eq!(client.json().await["type"], "subscribed");
        }
        let request = json!({"id": "end", "model": "it.StickyNote", "group": {"topic": "end"}});
        client.send(&request.to_string()).await;
        assert_eq!(client.json().await["type"], "subscribed");
        Self {
            live,
            plain,
            client,
            statements,
            log,
            events: 0,
            markers: 0,
            server,
            _database: database,
        }
    }

    /// Restores the rows that every case begins with, and resets the counters. Sends nothing.
    pub async fn refresh(&mut self) {
        let db = &self.plain;
        for table in ["task", "parcel", "book_tag", "tag", "book", "author"] {
            db.execute_unprepared(&format!("DELETE FROM {table}"))
                .await
                .unwrap();
        }
        for (id, text, list) in [(1, "one", 1), (2, "two", 1), (3, "three", 2)] {
            task::Entity::insert(new_task(id, text, list))
                .exec(db)
                .await
                .unwrap();
            let parcel = parcel(id, text, true, list);
            parcel::Entity::insert(parcel).exec(db).await.unwrap();
        }
        let hidden = parcel(4, "hidden", false, 1);
        parcel::Entity::insert(hidden).exec(db).await.unwrap();
        self.events = self.log.head().await.unwrap().position;
        self.statements();
    }

    /// Returns how many statements ran since the last call.
    pub fn statements(&self) -> usize {
        self.statements.swap(0, Ordering::SeqCst)
    }

    /// Returns how many events were captured since the tables were refreshed.
    pub async fn events(&self) -> u64 {
        self.log.head().await.unwrap().position - self.events
    }

    /// Returns the tasks in the table.
    pub async fn rows(&self) -> Vec<task::Model> {
        let tasks = task::Entity::find();
        tasks
            .order_by_asc(task::Column::Id)
            .all(&self.plain)
            .await
            .unwrap()
    }

    /// Returns the texts of the tasks in the table.
    pub async fn texts(&self) -> Vec<String> {
        self.rows().await.into_iter().map(|row| row.text).collect()
    }

    /// Waits until no statement is running.
    pub async fn wait_until_idle(&self) {
        wait_until_idle(&self.plain).await;
    }

    /// Asserts that the client eventually receives these frames, and no others.
    pub async fn expect(&mut self, expected: &[String]) {
        let mut received = Vec::new();
        let complete = async {
            while received != expected {
                received.extend(self.received().await);
                received.sort();
                assert!(
                    received.len() <= expected.len(),
                    "expected {expected:?}, received {received:?}"
                );
                tokio::time::sleep(TICK).await;
            }
        };
        if tokio::time::timeout(DEADLINE, complete).await.is_err() {
            panic!("expected {expected:?}, received {received:?}");
        }
    }

    /// Returns what the client has received, in alphabetical order: the subscription, the action
    /// and the text of each broadcast, and each model that was reset.
    pub async fn received(&mut self) -> Vec<String> {
        // Yield, so that a task spawned by `Drop` runs first. Tasks run in the order in which they
        // were spawned, but this one would go on before them if the database replied at once.
        tokio::spawn(async {}).await.unwrap();
        self.markers += 1;
        let marker_name = self.markers.to_string();
        let marker = note::ActiveModel {
            name: Set(marker_name.clone()),
            body: Set("sent after everything that was written before".to_owned()),
            topic: Set(Some("end".to_owned())),
        };
        marker.insert(&self.live.db()).await.unwrap();
        let mut received = Vec::new();
        let mut resets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        loop {
            let frame = self.client.json().await;
            match frame["type"].as_str() {
                Some("broadcast") => {
                    if frame["payload"]["name"] == *marker_name {
                        break;
                    }
                    let text = frame["payload"]["text"].as_str().unwrap_or("-");
                    let action = frame["action"].as_str().unwrap();
                    received.push(format!("{} {action} {text}", subscription_id(&frame)));
                }
                Some("reset") => {
                    assert_eq!(frame["reason"], "bulk");
                    let id = frame["id"].as_str().unwrap().to_owned();
                    if let Some((id, model, ..)) = SUBSCRIPTIONS.iter().find(|s| s.0 == id) {
                        resets.entry(model).or_default().push(id);
                    }
                }
                Some("unit") => {}
                _ => panic!("expected a broadcast or a reset, received {frame}"),
            }
        }
        for (model, ids) in resets {
            let mut expected = SUBSCRIPTIONS.iter().filter(|s| s.1 == model);
            let times = ids.len() / expected.clone().count();
            assert!(
                expected.all(|s| ids.iter().filter(|id| **id == s.0).count() == times),
                "each subscription is reset equally often: {ids:?}"
            );
            received.extend(vec![format!("reset {model}"); times]);
        }
        received.sort();
        received
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits until no statement is running on a database. Its results have then been processed, unless
/// that waits for something else.
pub async fn wait_until_idle(db: &DatabaseConnection) {
    soon("the end of all statements", async {
        loop {
            // Spawned tasks are polled at least once, and then hold their connections.
            tokio::task::yield_now().await;
            let (all, idle) = match db.get_database_backend() {
                DbBackend::Sqlite => counts(db.get_sqlite_connection_pool()),
                DbBackend::Postgres => counts(db.get_postgres_connection_pool()),
                _ => counts(db.get_mysql_connection_pool()),
            };
            if all == idle {
                return;
            }
        }
    })
    .await;
}

/// Returns a task.
pub async fn row(db: &DatabaseConnection, id: i32) -> task::Model {
    task::Entity::find_by_id(id).one(db).await.unwrap().unwrap()
}

/// Locks a task until the end of a transaction.
pub async fn lock(transaction: &LiveTransaction, id: i32) -> Result<(), DbErr> {
    let row = task::Entity::find_by_id(id).lock_exclusive();
    row.one(transaction).await.map(drop)
}

/// Returns the number of connections, and how many of them are idle.
fn counts<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> (usize, usize) {
    (pool.size() as usize, pool.num_idle())
}

/// Returns the id of the subscription that a broadcast is for.
fn subscription_id(frame: &Value) -> String {
    let found = SUBSCRIPTIONS.iter().find(|(_, model, key, value)| {
        frame["model"] == *model && frame["group"] == json!({*key: value})
    });
    found
        .unwrap_or_else(|| panic!("no subscription for {frame}"))
        .0
        .to_owned()
}

pub fn parcel(id: i32, text: &str, open: bool, shelf: i32) -> parcel::ActiveModel {
    parcel::ActiveModel {
        id: Set(id),
        text: Set(text.to_owned()),
        open: Set(open),
        shelf: Set(shelf),
    }
}

async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(entity))
        .await
        .unwrap();
}
