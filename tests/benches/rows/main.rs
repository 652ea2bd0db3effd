//! Measures what large rows cost: the resident memory after many updates of a row with a text of
//! 500 KB, and the time of each update. Run it with `cargo xtask bench rows`.
//!
//! Each line is a process of its own. The database is SQLite in memory, so that the disk is not
//! measured. Only the title of the row changes.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod models;

use std::{
    env, fs,
    process::{Command, Stdio},
    time::Instant,
};

use rest_live::{Live, Subscribable, transport::Outgoing};
use rest_live_benches::{machine, median, names, resident};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Schema};

use self::models::{plain, shown, unshown};

const UPDATES: usize = 20_000;
const TEXT_BYTES: usize = 500_000;

/// What writes the row.
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    /// How the line is described in the table.
    text: &'static str,
}

const VARIANTS: [Variant; 5] = [
    variant("alone", "SeaORM alone"),
    variant("unshown", "no serializer shows the text, no subscriber"),
    variant(
        "unshown-subscribed",
        "no serializer shows the text, one subscriber",
    ),
    variant("shown", "a serializer shows the text, no subscriber"),
    variant(
        "shown-subscribed",
        "a serializer shows the text, one subscriber",
    ),
];

const fn variant(name: &'static str, text: &'static str) -> Variant {
    Variant { name, text }
}

fn main() {
    let names = names();
    match &names[..] {
        [] => table(UPDATES),
        [updates] => table(updates.parse().unwrap()),
        [variant, updates] => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (variant, updates) = (variant.clone(), updates.parse().unwrap());
            let measured = async move { measure(&variant, updates).await };
            // An application's requests are tasks on a worker, and so are these writes.
            runtime.block_on(async { tokio::spawn(Box::pin(measured)).await.unwrap() });
        }
        _ => {
            println!("rows takes at most one argument: the number of updates");
            std::process::exit(2);
        }
    }
}

fn table(updates: usize) {
    println!(
        "{}\n\n\
         {updates} updates of the title of one row, whose text has {TEXT_BYTES} bytes.\n\n\
         | writer | MiB before | MiB after | µs of an update |\n|---|---:|---:|---:|",
        machine::description("cargo xtask bench rows")
    );
    for variant in VARIANTS {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args([variant.name, &updates.to_string()]);
        let output = child.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{} failed", variant.name);
        let output = String::from_utf8(output.stdout).unwrap();
        println!("| {} | {} |", variant.text, output.trim());
    }
}

/// Updates the row of a model.
macro_rules! update {
    ($model:ident, $db:ident, $n:ident) => {{
        let db = $db.clone();
        async move { $model::update(&db, $n).await }
    }};
}

async fn measure(variant: &str, updates: usize) {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(plain::Entity);
    db.execute(&table).await.unwrap();
    plain::insert(&db, TEXT_BYTES).await.unwrap();
    let (before, after, micros) = match variant {
        "alone" => updated(updates, |n| update!(plain, db, n)).await,
        "unshown" | "unshown-subscribed" => {
            let live = start::<unshown::Title>(&db, "bench.Unshown", variant != "unshown").await;
            let db = live.db();
            updated(updates, |n| update!(unshown, db, n)).await
        }
        _ => {
            let live = start::<shown::Document>(&db, "bench.Shown", variant != "shown").await;
            let db = live.db();
            updated(updates, |n| update!(shown, db, n)).await
        }
    };
    println!("{before:.1} | {after:.1} | {micros:.1}");
}

/// Starts a server with only this serializer: the other one shows the same table.
async fn start<S: Subscribable>(db: &DatabaseConnection, label: &str, is_subscribed: bool) -> Live {
    let live = Live::builder(db.clone()).discover(false).register::<S>();
    let live = live.build().unwrap();
    if is_subscribed {
        subscribe(&live, label).await;
    }
    live
}

/// Updates the row, and returns the resident memory before and after in MiB, and the median time
/// in microseconds.
async fn updated<F>(updates: usize, update: impl Fn(usize) -> F) -> (f64, f64, f64)
where
    F: Future<Output = Result<(), DbErr>>,
{
    update(0).await.unwrap();
    let before = mebibytes();
    let mut times = Vec::with_capacity(updates);
    for n in 1..=updates {
        let start = Instant::now();
        update(n).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    (before, mebibytes(), median(times))
}

fn mebibytes() -> f64 {
    resident(&fs::read_to_string("/proc/self/status").unwrap()) as f64 / 1024.0
}

/// Subscribes a session to the row, and reads its frames as a socket would.
async fn subscribe(live: &Live, label: &str) {
    let session = live.connect(());
    let request = format!(r#"{{"model":"{label}","group":{{"pk":1}},"id":1}}"#);
    session.receive(&request).await;
    tokio::spawn(async move { while let Outgoing::Frames(_) = session.outgoing().await {} });
}
