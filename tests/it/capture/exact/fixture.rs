//! A `Live` on a database whose statements are counted, and a client of all that is looked at.

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

/// The subscriptions: ids, which are also how the tests write them, and groups.
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

/// What the client is told where there is nothing to tell.
pub const NOTHING: [&str; 0] = [];

/// What it is told where the tasks are to be fetched again.
pub const RESET: [&str; 1] = ["reset todolist.Task"];

pub struct Fixture {
    pub live: Live,
    /// The connection, without rest-live.
    pub plain: DatabaseConnection,
    client: Client,
    statements: Arc<AtomicUsize>,
    log: MemoryLog,
    events: u64,
    ends: u32,
    server: AbortHandle,
    _database: TestDatabase,
}

impl Fixture {
    /// Starts with the tables as every write finds them.
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
        // Keys that the database makes are none that the writes name.
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
        // The first of these finds out which database it is.
        let delete = task::Entity::delete_by_id(1);
        delete.exec(&live.db()).await.unwrap();
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
            ends: 0,
            server,
            _database: database,
        }
    }

    /// Brings the tables to where every write begins, and the counters to nought. Nobody is told.
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

    /// Returns how many statements ran since this was last asked.
    pub fn statements(&self) -> usize {
        self.statements.swap(0, Ordering::SeqCst)
    }

    /// Returns how many events were captured since the tables were refreshed.
    pub async fn events(&self) -> u64 {
        self.log.head().await.unwrap().position - self.events
    }

    /// Returns the tasks that the writes are about.
    pub async fn rows(&self) -> Vec<task::Model> {
        let tasks = task::Entity::find();
        tasks
            .order_by_asc(task::Column::Id)
            .all(&self.plain)
            .await
            .unwrap()
    }

    /// Returns their texts.
    pub async fn texts(&self) -> Vec<String> {
        self.rows().await.into_iter().map(|row| row.text).collect()
    }

    /// Waits until no statement is under way.
    pub async fn quiet(&self) {
        quiet(&self.plain).await;
    }

    /// Asserts that the client is told this in the end, and nothing else.
    pub async fn expect(&mut self, expected: &[String]) {
        let mut told = Vec::new();
        let complete = async {
            while told != expected {
                told.extend(self.told().await);
                told.sort();
                assert!(
                    told.len() <= expected.len(),
                    "{told:?} instead of {expected:?}"
                );
                tokio::time::sleep(TICK).await;
            }
        };
        if tokio::time::timeout(DEADLINE, complete).await.is_err() {
            panic!("{told:?} instead of {expected:?}");
        }
    }

    /// Returns what the client was told, in the order of the texts: what it is subscribed to, the action and the text; and
    /// the models that it was told to fetch again.
    pub async fn told(&mut self) -> Vec<String> {
        // What a drop left to a task has its turn: tasks have theirs in the order in which they were begun, but
        // a database that answers at once lets this one go on before.
        tokio::spawn(async {}).await.unwrap();
        self.ends += 1;
        let name_of_end = self.ends.to_string();
        let end = note::ActiveModel {
            name: Set(name_of_end.clone()),
            body: Set("what was written before is told before".to_owned()),
            topic: Set(Some("end".to_owned())),
        };
        end.insert(&self.live.db()).await.unwrap();
        let mut told = Vec::new();
        let mut resets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        loop {
            let frame = self.client.json().await;
            match frame["type"].as_str() {
                Some("broadcast") => {
                    if frame["payload"]["name"] == *name_of_end {
                        break;
                    }
                    let text = frame["payload"]["text"].as_str().unwrap_or("-");
                    let action = frame["action"].as_str().unwrap();
                    told.push(format!("{} {action} {text}", name(&frame)));
                }
                Some("reset") => {
                    assert_eq!(frame["reason"], "bulk");
                    let id = frame["id"].as_str().unwrap().to_owned();
                    if let Some((id, model, ..)) = SUBSCRIPTIONS.iter().find(|s| s.0 == id) {
                        resets.entry(model).or_default().push(id);
                    }
                }
                _ => panic!("{frame} is nothing to be told"),
            }
        }
        for (model, ids) in resets {
            let mut expected = SUBSCRIPTIONS.iter().filter(|s| s.1 == model);

            let times = ids.len() / expected.clone().count();
            assert!(
                expected.all(|s| ids.iter().filter(|id| **id == s.0).count() == times),
                "each subscription as often as the others: {ids:?}"
            );
            told.extend(vec![format!("reset {model}"); times]);
        }
        told.sort();
        told
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits until no statement is under way on a database. What was to be done with the answers is done then, as far as
/// it waits for nothing else.
pub async fn quiet(db: &DatabaseConnection) {
    soon("the end of all statements", async {
        loop {
            // What was spawned is polled at least once, and holds its connection then.
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

/// Returns how many connections there are, and how many of them are idle.
fn counts<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> (usize, usize) {
    (pool.size() as usize, pool.num_idle())
}

/// Returns the subscription that a broadcast is for.
fn name(frame: &Value) -> String {
    let found = SUBSCRIPTIONS.iter().find(|(_, model, key, value)| {
        frame["model"] == *model && frame["group"] == json!({*key: value})
    });
    found
        .unwrap_or_else(|| panic!("nobody asked for {frame}"))
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
