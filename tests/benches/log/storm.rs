//! All clients come back at once: to the node that they left, or to one that has just begun and has to ask the log.

mod client;
mod server;

use std::time::Duration;

use rest_live_benches::{median, raise_files};
use serde::{Deserialize, Serialize};

pub use self::{client::run as run_client, server::run as run_server};
use super::{process::Process, support::redis::Redis};

const CLIENTS: usize = 10_000;
/// A process has some files beside its sockets.
const OTHER_FILES: usize = 100;
const ROUNDS: usize = 3;

/// Lists that there are, and how many of them each client has, next to each other.
const LISTS: usize = 2000;
const OF_CLIENT: usize = 5;
/// Rows that were written while the clients were away, one a list in turn.
const EVENTS: usize = 5000;

/// All have what they missed within this time.
const AIM: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
pub struct ServerPlan {
    /// The Redis of its log; none is the log in memory.
    redis: Option<String>,
    /// It writes so many rows before it serves.
    events: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Served {
    address: String,
    /// Where the log was before the rows.
    since: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ClientPlan {
    address: String,
    since: Option<String>,
    clients: usize,
}

/// What came.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// From the first connect until all had everything.
    elapsed: Duration,
    /// Of one client, from its own connect.
    p50: Duration,
    p99: Duration,
    subscribed: u64,
    replayed: u64,
    /// What is not what it must be, where it must be.
    wrong: u64,
    bytes: u64,
    /// Processor time of the client.
    used: Duration,
}

#[derive(Clone, Copy)]
enum Variant {
    /// The same without `since`: what it costs to connect and subscribe.
    Anew,
    Memory,
    Redis,
    Restarted,
}

impl Variant {
    const ALL: [Self; 4] = [Self::Anew, Self::Memory, Self::Redis, Self::Restarted];

    fn name(self) -> &'static str {
        match self {
            Self::Anew => "without `since`: nothing is replayed",
            Self::Memory => "to the node that they left",
            Self::Redis => "the same, its log in Redis",
            Self::Restarted => "to a node that was started on the log in Redis since",
        }
    }
}

pub async fn measure() {
    let clients = CLIENTS.min(raise_files() - OTHER_FILES);
    println!(
        "\n### (c) {clients} clients come back at once, each to {OF_CLIENT} of {LISTS} lists, {EVENTS} rows later\n"
    );
    let redis = Redis::start().await;
    let mut samples = Variant::ALL.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for turn in 0..samples.len() {
            let place = (round + turn) % samples.len();
            let prefix = format!("{}?prefix=storm{round}{place}", redis.url());
            samples[place].push(take(Variant::ALL[place], clients, prefix));
        }
    }
    println!(
        "| they come back | all have everything after s | of that the server waited for its core s | of one client p50 ms | p99 ms | the server's CPU s | µs a client | frames | replayed | wrong | bytes each | the client's CPU s |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut verdicts = Vec::new();
    for (variant, samples) in Variant::ALL.into_iter().zip(samples) {
        let of =
            |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect::<Vec<_>>());
        let elapsed = of(|s| s.report.elapsed.as_secs_f64());
        let used = of(|s| s.used.as_secs_f64());
        let frames = of(|s| (s.report.subscribed + s.report.replayed) as f64);
        println!(
            "| {} | {elapsed:.2} | {:.2} | {:.0} | {:.0} | {used:.2} | {:.0} | {frames} | {} | {} | {:.0} | {:.2} |",
            variant.name(),
            of(|s| s.waited.as_secs_f64()),
            of(|s| s.report.p50.as_secs_f64() * 1e3),
            of(|s| s.report.p99.as_secs_f64() * 1e3),
            used * 1e6 / clients as f64,
            of(|s| s.report.replayed as f64),
            samples.iter().map(|s| s.report.wrong).sum::<u64>(),
            of(|s| s.report.bytes as f64) / frames,
            of(|s| s.report.used.as_secs_f64()),
        );
        let verdict = match elapsed <= AIM.as_secs_f64() {
            true => "holds",
            false => "is exceeded",
        };
        verdicts.push(format!("{}: {verdict}", variant.name()));
    }
    println!("\nThe aim of {AIM:?}: {}.", verdicts.join("; "));
}

/// What the clients say, and of the server its processor time, and how long it waited for its core, which others had.
struct Sample {
    report: Report,
    used: Duration,
    waited: Duration,
}

/// Has the storm come once.
fn take(variant: Variant, clients: usize, redis: String) -> Sample {
    let redis = match variant {
        Variant::Anew | Variant::Memory => None,
        Variant::Redis | Variant::Restarted => Some(redis),
    };
    let mut plan = ServerPlan {
        redis,
        events: EVENTS,
    };
    let mut server = Process::start("server", &plan);
    let mut served: Served = server.answer();
    if let Variant::Restarted = variant {
        server.end();
        plan.events = 0;
        server = Process::start("server", &plan);
        let since = served.since;
        served = Served {
            since,
            ..server.answer()
        };
    }
    let (used, waited) = (server.used(), server.waited());
    let mut client = Process::start(
        "client",
        &ClientPlan {
            address: served.address,
            since: (!matches!(variant, Variant::Anew)).then_some(served.since),
            clients,
        },
    );
    Sample {
        report: client.answer(),
        used: server.used() - used,
        waited: server.waited().saturating_sub(waited),
    }
}
