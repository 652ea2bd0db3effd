//! Order and convergence: many write at once, on few rows, in every way that is told exactly, and clients that know
//! nothing but their frames end with what is in the table, on each database. On the way no row goes back in time,
//! and nothing is seen of what was rolled back.
//!
//! **Back in time.** A client can tell an older state from a newer one only by a number that grows in the order in which
//! the writes took effect, which the writers do not know. So the database counts: `version` with each
//! update of a row, `born` with each insert of a key, since a row that is deleted may come again. On PostgreSQL and
//! MariaDB triggers do it, under the lock of the row; on SQLite the statements do, in expressions, since `RETURNING` does
//! not show what a trigger changed, and since no other statement writes meanwhile (`table.rs`). Two states
//! of one row never have the same numbers, but where one of them was rolled back: so a client that sees
//! two has seen a phantom, also where no marker says so.
//!
//! **Phantoms.** All that will be rolled back has a text that says so. A delete has none; but who is subscribed by
//! key sees `DELETED` only where the row is gone, so that it must be born again before it is shown again.
//!
//! **The end.** When the writers have ended, one more row is written; when it has come to all clients and they
//! hold what is in the table, the server is shut down, which tells what is left, and they must hold it still.
//!
//! With the same seed the writers want the same; in which order they come is the scheduler's. So a seed that failed
//! is to be tried often: `cargo xtask converge --rounds 20 --seed N`.

mod card;
mod dice;
mod table;
mod tally;
mod view;
mod write;
mod writer;

use std::{
    env,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rest_live::{Limits, log::MemoryLog};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait, NotSet, Set};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use tokio::{task::JoinHandle, time::sleep};
use tokio_tungstenite::tungstenite::Message;

use self::{
    dice::{Dice, KEYS, LISTS},
    tally::Tally,
    view::{Group, View},
    writer::Writer,
};
use crate::support::{Client, Engine, Node, SharedLog, TICK, TestDatabase, database_of, soon};

const WRITERS: u64 = 8;
const OPERATIONS: u32 = 2000;

/// How many there are where there are several.
const SERVERS: usize = 3;
/// Of each writer where several servers write the same rows: most of them are read again.
const OPERATIONS_OF_MANY: u32 = 500;

/// The row that is written last, in a list that every client is subscribed to.
const SENTINEL: i32 = 1000;
const SENTINEL_LIST: i32 = 1;

/// So long after the last write a client may hold something else than the table: rows that a request left which was
/// given up are looked for after seconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_end_with_what_is_in_the_table_on_sqlite() {
    converge_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_end_with_what_is_in_the_table_on_postgres() {
    converge_on(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_end_with_what_is_in_the_table_on_mariadb() {
    converge_on(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_end_with_what_is_in_the_table_on_sqlite() {
    converge_over(Engine::Sqlite, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_end_with_what_is_in_the_table_on_postgres() {
    converge_over(Engine::Postgres, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_end_with_what_is_in_the_table_on_mariadb() {
    converge_over(Engine::MariaDb, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_end_with_what_is_in_the_table_with_an_outbox() {
    converge_over(Engine::Postgres, Backplane::Outbox).await;
}

/// Which log the servers have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Backplane {
    /// None: it is one server.
    None,
    /// Each of three appends after it has committed, in whatever order.
    AfterCommit,
    /// Three servers on tables of the database.
    Outbox,
}

async fn converge_on(engine: Engine) {
    converge_over(engine, Backplane::None).await;
}

async fn converge_over(engine: Engine, backplane: Backplane) {
    let number = |name| {
        let text = env::var(name).ok()?;
        Some(
            text.parse()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    let rounds = number("CONVERGE_ROUNDS").unwrap_or(1);
    let seed: u64 = number("CONVERGE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    for seed in seed..seed + rounds {
        eprintln!("{engine:?}: CONVERGE_SEED={seed}");
        Box::pin(converge(engine, backplane, seed)).await;
    }
}

/// What is written to, and by which servers.
struct Cluster {
    plain: DatabaseConnection,
    nodes: Vec<Node>,
    /// Last: it goes when they are gone.
    _database: TestDatabase,
}

impl Cluster {
    async fn start(engine: Engine, backplane: Backplane) -> Self {
        let (plain, database) = database_of(engine).await;
        if backplane == Backplane::Outbox {
            Outbox.up(&SchemaManager::new(&plain)).await.unwrap();
        }
        let shared = SharedLog::new();
        let mut nodes = Vec::new();
        for _ in 0..SERVERS {
            let db = database.connect().await;
            let node = match backplane {
                Backplane::None => Node::start(db, generous(), MemoryLog::default()).await,
                Backplane::AfterCommit => Node::start(db, generous(), shared.clone()).await,
                Backplane::Outbox => {
                    let log = OutboxLog::open(db.clone()).await.unwrap();
                    Node::start(db, generous(), log).await
                }
            };
            nodes.push(node);
            if backplane == Backplane::None {
                break;
            }
        }
        Self {
            plain,
            nodes,
            _database: database,
        }
    }

    fn node(&self, number: usize) -> &Node {
        &self.nodes[number % self.nodes.len()]
    }
}

async fn converge(engine: Engine, backplane: Backplane, seed: u64) {
    let start = Instant::now();
    let recorder = DebuggingRecorder::new();
    let app = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Cluster::start(engine, backplane).await
    };
    table::create(&app.plain, engine).await;
    let keys = (1..=KEYS).chain([SENTINEL]).map(Group::Key);
    let views = [
        View::new("lists", (1..=LISTS).map(Group::List)),
        View::new("keys", keys),
        View::new("plain", [Group::AnyOf(&[SENTINEL_LIST, 2])]),
    ];
    let mut watchers = Vec::new();
    for (number, view) in views.into_iter().enumerate() {
        watchers.push(Watcher::start(app.node(number), view).await);
    }
    let tally = write(&app, engine, seed).await;
    let written = start.elapsed();
    let sentinel = card::ActiveModel {
        id: Set(SENTINEL),
        list_id: Set(SENTINEL_LIST),
        text: Set("the last".to_owned()),
        born: table::counted(engine),
        version: NotSet,
    };
    sentinel.insert(&app.node(0).live.db()).await.unwrap();
    agree(&app, &watchers).await;
    let converged = start.elapsed();
    for node in &app.nodes {
        soon("the shutdown", node.live.shutdown()).await;
    }
    for watcher in watchers {
        let view = watcher.ended().await;
        eprintln!("{}: {} frames", view.name, view.frames);
        let differences = view.differences(&rows(&app).await);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
    assert!(
        tally.rolled_back * 10 >= tally.operations,
        "too few are rolled back: {tally}"
    );
    let settled = settled(&recorder);
    eprintln!(
        "{tally}\n{settled} rows settled; written after {written:?}, converged after {converged:?}"
    );
}

/// Limits that no client reaches: one that lags is told to fetch, which is another test's.
fn generous() -> Limits {
    Limits::default()
        .max_pending_messages(1_000_000)
        .max_pending_bytes(1 << 30)
}

async fn write(app: &Cluster, engine: Engine, seed: u64) -> Tally {
    let writers = (1..=WRITERS).map(|number| {
        let writer = Writer::new(
            Dice::new(engine, seed, number),
            app.node(number as usize).live.db(),
        );
        tokio::spawn(writer.run(match app.nodes.len() {
            1 => OPERATIONS,
            _ => OPERATIONS_OF_MANY,
        }))
    });
    let mut sum = Tally::default();
    for writer in writers.collect::<Vec<_>>() {
        sum.add(&writer.await.unwrap());
    }
    sum
}

/// Waits until the clients have what was written last, and hold what is in the table.
async fn agree(app: &Cluster, watchers: &[Watcher]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let table = rows(app).await;
        let mut differences = Vec::new();
        for watcher in watchers {
            assert!(!watcher.reader.is_finished(), "{:?}", watcher.view().name);
            let view = watcher.view();
            differences.extend(view.differences(&table));
            if !view.holds(SENTINEL) {
                differences.push(format!("{} has not got the last row", view.name));
            }
        }
        if differences.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the clients hold something else than the table:\n{}",
            differences.join("\n")
        );
        sleep(TICK).await;
    }
}

async fn rows(app: &Cluster) -> Vec<card::Model> {
    card::Entity::find().all(&app.plain).await.unwrap()
}

fn settled(recorder: &DebuggingRecorder) -> u64 {
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let values = snapshot.into_iter().map(|(key, _, _, value)| match value {
        DebugValue::Counter(n) if key.key().name() == "rest_live_rows_settled_total" => n,
        _ => 0,
    });
    values.sum()
}

/// A client, and the task that reads what comes.
struct Watcher {
    view: Arc<Mutex<View>>,
    reader: JoinHandle<()>,
}

impl Watcher {
    /// Subscribes. In v1, or in the plain dialect where frames do not say which group they are of.
    async fn start(node: &Node, view: View) -> Self {
        let mut client = node.client().await;
        for group in view.groups() {
            let (key, ids) = match group {
                Group::Key(ref id) => ("pk", std::slice::from_ref(id)),
                Group::List(ref id) => ("list_id", std::slice::from_ref(id)),
                Group::AnyOf(lists) => ("list_id", lists),
            };
            for id in ids {
                let model = r#""model":"converge.Card""#;
                if let Group::AnyOf(_) = group {
                    client
                        .subscribe(&format!(r#"{{{model},"{key}":{id}}}"#))
                        .await;
                    continue;
                }
                client
                    .send(&format!(
                        r#"{{"id":{id},{model},"group":{{"{key}":{id}}}}}"#
                    ))
                    .await;
                assert_eq!(client.json().await["type"], "subscribed");
            }
        }
        let view = Arc::new(Mutex::new(view));
        let reader = tokio::spawn(read(client, Arc::clone(&view)));
        Self { view, reader }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server has closed, and returns what the client holds then.
    async fn ended(self) -> View {
        soon("the end of the frames", self.reader).await.unwrap();
        Arc::into_inner(self.view).unwrap().into_inner().unwrap()
    }
}

async fn read(mut client: Client, view: Arc<Mutex<View>>) {
    while let Some(message) = client.socket.next().await {
        match message.unwrap() {
            Message::Text(text) => {
                let mut view = view.lock().unwrap();
                if let Err(mistake) = view.take(&text) {
                    panic!("{}: {mistake}", view.name);
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
            other => panic!("{other:?} came"),
        }
    }
}
