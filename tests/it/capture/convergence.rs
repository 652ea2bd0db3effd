//! Order and convergence: many writers write a few rows concurrently, in every way that is captured
//! exactly. Clients that know nothing but their frames must end with the rows of the table, on each
//! database. Meanwhile no row may go back in time, and no change that was rolled back may be sent.
//!
//! **Back in time.** To compare two states of a row, a client needs a number that grows in the
//! order in which the writes took effect. The writers do not know this order, so the database
//! counts: `version` grows with each update of a row, and `born` with each insert of a key, because
//! a deleted row may be inserted again. On PostgreSQL and MariaDB, triggers count under the lock of
//! the row. On SQLite, the statements count in expressions, because `RETURNING` does not return
//! what a trigger changed, and because no other statement writes meanwhile (`table.rs`). Two states
//! of a row have the same numbers only if one of them was rolled back. So a client that receives
//! both has received a phantom, even without a marker.
//!
//! **Phantoms.** Every row that will be rolled back has a text that marks it. A delete has no text,
//! but a client subscribed by key receives `DELETED` only if the row is gone. So the row must be
//! inserted again (a new `born`) before that client receives it again.
//!
//! **The end.** When the writers have ended, one more row is written. When all clients have
//! received it and hold the rows of the table, the server is shut down. This sends what is left,
//! and the clients must still hold the rows of the table.
//!
//! The same seed draws the same writes, but the scheduler decides their order. So try a failed seed
//! many times: `cargo xtask converge --rounds 20 --seed N`.

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

/// Number of servers in the tests with several servers.
const SERVERS: usize = 3;
/// Operations of each writer if several servers write the same rows: most of these rows are reread.
const OPERATIONS_WITH_SEVERAL_SERVERS: u32 = 500;

/// The id of the row that is written last, in a list that every client is subscribed to.
const SENTINEL: i32 = 1000;
const SENTINEL_LIST: i32 = 1;

/// How long after the last write a client may differ from the table. Rows of an abandoned request
/// are looked for only after some seconds.
const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_converge_on_sqlite() {
    converge_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_converge_on_postgres() {
    converge_on(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_converge_on_mariadb() {
    converge_on(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_converge_on_sqlite() {
    converge_over(Engine::Sqlite, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_converge_on_postgres() {
    converge_over(Engine::Postgres, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_converge_on_mariadb() {
    converge_over(Engine::MariaDb, Backplane::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_of_three_servers_converge_with_outbox() {
    converge_over(Engine::Postgres, Backplane::Outbox).await;
}

/// The event log that the servers share.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Backplane {
    /// No shared log: there is one server.
    None,
    /// Three servers append after their commits, in any order.
    AfterCommit,
    /// Three servers use the outbox, which is in the database.
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
                .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        )
    };
    let rounds = number("CONVERGE_ROUNDS").unwrap_or(1);
    let seed: u64 = number("CONVERGE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    for seed in seed..seed + rounds {
        eprintln!("{engine:?}: CONVERGE_SEED={seed}");
        Box::pin(converge(engine, backplane, seed)).await;
    }
}

/// A database, and the servers that write to it.
struct Cluster {
    plain: DatabaseConnection,
    nodes: Vec<Node>,
    /// The last field, so that it is dropped after the servers.
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
                Backplane::None => Node::start(db, generous_limits(), MemoryLog::default()).await,
                Backplane::AfterCommit => Node::start(db, generous_limits(), shared.clone()).await,
                Backplane::Outbox => {
                    let log = OutboxLog::open(db.clone()).await.unwrap();
                    Node::start(db, generous_limits(), log).await
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
    let tally = run_writers(&app, engine, seed).await;
    let written = start.elapsed();
    let sentinel = card::ActiveModel {
        id: Set(SENTINEL),
        list_id: Set(SENTINEL_LIST),
        text: Set("the last".to_owned()),
        born: table::counted(engine),
        version: NotSet,
    };
    sentinel.insert(&app.node(0).live.db()).await.unwrap();
    wait_for_convergence(&app, &watchers).await;
    let converged = start.elapsed();
    for node in &app.nodes {
        soon("the shutdown", node.live.shutdown()).await;
    }
    for watcher in watchers {
        let view = watcher.finish().await;
        eprintln!("{}: {} frames", view.name, view.frames);
        let differences = view.differences(&rows(&app).await);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
    assert!(
        tally.rolled_back * 10 >= tally.operations,
        "too few operations were rolled back: {tally}"
    );
    let rereads = rereads(&recorder);
    eprintln!(
        "{tally}\n{rereads} rows reread; written after {written:?}, converged after {converged:?}"
    );
}

/// Returns limits that no client reaches: another test covers the reset of a lagging client.
fn generous_limits() -> Limits {
    Limits::default()
        .max_pending_messages(1_000_000)
        .max_pending_bytes(1 << 30)
}

async fn run_writers(app: &Cluster, engine: Engine, seed: u64) -> Tally {
    let writers = (1..=WRITERS).map(|number| {
        let writer = Writer::new(
            Dice::new(engine, seed, number),
            app.node(number as usize).live.db(),
        );
        tokio::spawn(writer.run(if app.nodes.len() == 1 {
            OPERATIONS
        } else {
            OPERATIONS_WITH_SEVERAL_SERVERS
        }))
    });
    let mut sum = Tally::default();
    for writer in writers.collect::<Vec<_>>() {
        sum.add(&writer.await.unwrap());
    }
    sum
}

/// Waits until the clients have received the last row and hold the rows of the table.
async fn wait_for_convergence(app: &Cluster, watchers: &[Watcher]) {
    let deadline = Instant::now() + CONVERGENCE_TIMEOUT;
    loop {
        let table = rows(app).await;
        let mut differences = Vec::new();
        for watcher in watchers {
            assert!(!watcher.reader.is_finished(), "{:?}", watcher.view().name);
            let view = watcher.view();
            differences.extend(view.differences(&table));
            if !view.holds(SENTINEL) {
                differences.push(format!("{} has not received the last row", view.name));
            }
        }
        if differences.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the clients differ from the table:\n{}",
            differences.join("\n")
        );
        sleep(TICK).await;
    }
}

async fn rows(app: &Cluster) -> Vec<card::Model> {
    card::Entity::find().all(&app.plain).await.unwrap()
}

/// Returns how many rows the servers have read again.
fn rereads(recorder: &DebuggingRecorder) -> u64 {
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let values = snapshot.into_iter().map(|(key, _, _, value)| match value {
        DebugValue::Counter(n) if key.key().name() == "rest_live_rows_settled_total" => n,
        _ => 0,
    });
    values.sum()
}

/// A client, and the task that reads its frames.
struct Watcher {
    view: Arc<Mutex<View>>,
    reader: JoinHandle<()>,
}

impl Watcher {
    /// Connects and subscribes, in the v1 dialect. A view of [`Group::AnyOf`] uses the plain
    /// dialect, whose frames do not name their group.
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

    /// Waits until the server has closed the connection, and returns what the client holds then.
    async fn finish(self) -> View {
        soon("the end of the frames", self.reader).await.unwrap();
        Arc::into_inner(self.view).unwrap().into_inner().unwrap()
    }
}

async fn read(mut client: Client, view: Arc<Mutex<View>>) {
    while let Some(message) = client.socket.next().await {
        match message.unwrap() {
            Message::Text(text) => {
                let mut view = view.lock().unwrap();
                if let Err(error) = view.apply(&text) {
                    panic!("{}: {error}", view.name);
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
            other => panic!("received {other:?}"),
        }
    }
}
