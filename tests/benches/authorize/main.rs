//! Measures what a storm of reconnects costs the rest of an application: 2,000 clients subscribe to
//! 5 groups each at once, and every `authorize` takes a connection of the pool for 5 ms. Meanwhile,
//! other requests of the application use the same pool. Run it with `cargo xtask bench authorize`.
//!
//! The clients are sessions in this process, without sockets. The requests are due at fixed times,
//! whether or not earlier ones have ended; a latency is the time from then until the row is read.
//!
//! The second part measures what the limit costs a subscription whose `authorize` asks nothing.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod model;

/// The databases that the tests start.
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../it/support"]
mod support {
    use std::time::Duration;

    pub mod engine;
    mod port;

    use self::port::free_port;

    const DEADLINE: Duration = Duration::from_secs(20);
    const TICK: Duration = Duration::from_millis(5);
}

use std::time::{Duration, Instant};

use rest_live::{
    Limits, Live,
    transport::{Outgoing, Session},
};
use rest_live_benches::{machine, median};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, EntityTrait};
use tokio::{sync::watch, task::JoinSet, time};

use self::{
    model::{User, board, create},
    support::engine::{Engine, TestDatabase},
};

const CLIENTS: usize = 2000;
const SUBSCRIPTIONS: usize = 5;
const POOL_CONNECTIONS: u32 = 10;
/// Time between two other requests of the application.
const REQUEST_INTERVAL: Duration = Duration::from_millis(5);
/// How long the requests are measured without a storm.
const QUIET_TIME: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;
/// Subscriptions of a round of the second part.
const CHEAP_SUBSCRIPTIONS: u32 = 20_000;

#[tokio::main]
async fn main() {
    println!("{}", machine::description("cargo xtask bench authorize"));
    let database = TestDatabase::start(Engine::Postgres).await;
    let mut options = ConnectOptions::new(database.url());
    options
        .max_connections(POOL_CONNECTIONS)
        .sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    create(&db).await;
    measure_storm(&db).await;
    measure_cheap(&db).await;
}

#[derive(Clone, Copy)]
enum Variant {
    Quiet,
    WithoutLimit,
    WithLimit,
}

/// What one round has measured.
struct Sample {
    /// Until every client has every subscription.
    elapsed: Duration,
    /// The latencies of the other requests, sorted.
    latencies: Vec<Duration>,
}

impl Sample {
    fn ms(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() - 1) * percent / 100;
        self.latencies[index].as_secs_f64() * 1e3
    }
}

async fn measure_storm(db: &DatabaseConnection) {
    println!(
        "\n### Authorize (a): {CLIENTS} clients reconnect at once, {SUBSCRIPTIONS} subscriptions each\n\n\
         `authorize` takes one of {POOL_CONNECTIONS} connections for 5 ms. Medians of {ROUNDS} rounds.\n"
    );
    println!(
        "| | all are subscribed after s | other requests | p50 ms | p99 ms | slowest ms |\n|---|---:|---:|---:|---:|---:|"
    );
    let variants = [Variant::Quiet, Variant::WithoutLimit, Variant::WithLimit];
    let mut samples = variants.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (variant, samples) in variants.into_iter().zip(&mut samples) {
            samples.push(run(db, variant).await);
        }
    }
    let mut p99s = Vec::new();
    for (variant, samples) in variants.into_iter().zip(&samples) {
        let of = |figure: &dyn Fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
        let elapsed = of(&|s| s.elapsed.as_secs_f64());
        let (name, elapsed) = match variant {
            Variant::Quiet => ("no client reconnects", "-".to_owned()),
            Variant::WithoutLimit => ("`max_concurrent_authorize(None)`", format!("{elapsed:.1}")),
            Variant::WithLimit => ("the default limit, 4", format!("{elapsed:.1}")),
        };
        let p99 = of(&|s| s.ms(99));
        println!(
            "| {name} | {elapsed} | {:.0} | {:.1} | {p99:.1} | {:.1} |",
            of(&|s| s.latencies.len() as f64),
            of(&|s| s.ms(50)),
            of(&|s| s.ms(100)),
        );
        p99s.push(p99);
    }
    println!(
        "\np99 of the other requests: without the limit / with it = {:.0}; with it / without a storm = {:.1}.",
        p99s[1] / p99s[2],
        p99s[2] / p99s[0],
    );
}

/// Runs a storm, and the other requests until it is over.
async fn run(db: &DatabaseConnection, variant: Variant) -> Sample {
    let limits = match variant {
        Variant::WithoutLimit => Limits::default()
            .max_concurrent_authorize(None)
            .authorize_timeout(Duration::from_secs(60)),
        Variant::Quiet | Variant::WithLimit => Limits::default(),
    };
    let live = Live::<User>::builder(db.clone())
        .limits(limits)
        .build()
        .unwrap();
    let (end, ended) = watch::channel(false);
    let requests = tokio::spawn(request_until(db.clone(), ended));
    let start = Instant::now();
    if let Variant::Quiet = variant {
        time::sleep(QUIET_TIME).await;
    } else {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let session = live.connect(User);
            clients.spawn(async move {
                for offset in 0..SUBSCRIPTIONS {
                    subscribe(&session, "asked", number + offset).await;
                }
                session
            });
        }
        // The sessions stay open, as those of clients do.
        clients.join_all().await;
    }
    let elapsed = start.elapsed();
    end.send_replace(true);
    let mut latencies = requests.await.unwrap();
    latencies.sort_unstable();
    Sample { elapsed, latencies }
}

/// Reads a row every [`REQUEST_INTERVAL`], and returns how long each read took.
async fn request_until(db: DatabaseConnection, ended: watch::Receiver<bool>) -> Vec<Duration> {
    let mut requests = JoinSet::new();
    let mut due = time::Instant::now();
    while !*ended.borrow() {
        due += REQUEST_INTERVAL;
        time::sleep_until(due).await;
        let db = db.clone();
        requests.spawn(async move {
            board::Entity::find_by_id(1).one(&db).await.unwrap();
            due.elapsed()
        });
    }
    requests.join_all().await
}

async fn subscribe(session: &Session, key: &str, value: usize) {
    let request = format!(r#"{{"id":{value},"model":"bench.Board","group":{{"{key}":{value}}}}}"#);
    session.receive(&request).await;
    match session.outgoing().await {
        Outgoing::Frames(frames) => {
            let frame = frames.last().unwrap().as_str();
            assert!(frame.contains("subscribed"), "{frame}");
        }
        other => panic!("{other:?}"),
    }
}

/// Measures a subscription and its end, with a limit and without one.
async fn measure_cheap(db: &DatabaseConnection) {
    println!(
        "\n### Authorize (b): the cost of the limit for a subscription that asks no database\n\n\
         One client subscribes and unsubscribes. Medians of {ROUNDS} rounds of {CHEAP_SUBSCRIPTIONS}.\n"
    );
    println!("| group | without the limit, ns | with it, ns |\n|---|---:|---:|");
    for (name, key) in [
        ("without `authorize`", "public"),
        ("`authorize` that returns true", "trivial"),
    ] {
        let limits = || Limits::default().message_rate(u32::MAX, u32::MAX);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(cheap(db, limits().max_concurrent_authorize(None), key).await);
            with.push(cheap(db, limits(), key).await);
        }
        let (without, with) = (median(without), median(with));
        println!("| {name} | {without:.0} | {with:.0} |");
    }
}

/// Returns the nanoseconds of a subscription and its end.
async fn cheap(db: &DatabaseConnection, limits: Limits, key: &str) -> f64 {
    let live = Live::<User>::builder(db.clone())
        .limits(limits)
        .build()
        .unwrap();
    let session = live.connect(User);
    let start = Instant::now();
    for _ in 0..CHEAP_SUBSCRIPTIONS {
        subscribe(&session, key, 1).await;
        session.receive(r#"{"type":"unsubscribe","id":1}"#).await;
        assert!(matches!(session.outgoing().await, Outgoing::Frames(_)));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CHEAP_SUBSCRIPTIONS)
}
