//! All clients reconnect at once: to the node that they left, or to a node that has just started
//! and must read the log.

mod client;
mod server;

use std::time::Duration;

use rest_live_benches::{median, raise_files};
use serde::{Deserialize, Serialize};

pub use self::{client::run as run_client, server::run as run_server};
use super::{process::Process, support::redis::Redis};

const CLIENTS: usize = 10_000;
/// Files that a process has open besides its sockets.
const OTHER_FILES: usize = 100;
const ROUNDS: usize = 3;

/// The number of lists.
const LISTS: usize = 2000;
/// Lists of a client, next to each other.
const LISTS_PER_CLIENT: usize = 5;
/// Rows that were written while the clients were away, to the lists in turn.
const EVENTS: usize = 5000;

/// All clients should have what they missed within this time.
const AIM: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
pub struct ServerPlan {
    /// The address of the Redis of its log. `None`: the log is in memory.
    redis: Option<String>,
    /// Rows that the server writes before it serves.
    events: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Served {
    address: String,
    /// The cursor of the log before the rows.
    since: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ClientPlan {
    address: String,
    since: Option<String>,
    clients: usize,
}

/// What the clients received.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// From the first connect until all clients had everything.
    elapsed: Duration,
    /// The time of one client, from its own connect.
    p50: Duration,
    p99: Duration,
    subscribed: u64,
    replayed: u64,
    /// Frames that were wrong or out of order.
    wrong: u64,
    bytes: u64,
    /// Processor time of the client process.
    used: Duration,
}

#[derive(Clone, Copy)]
enum Variant {
    /// The same without `since`: the cost of connecting and subscribing.
    WithoutSince,
    Memory,
    Redis,
    Restarted,
}

impl Variant {
    const ALL: [Self; 4] = [
        Self::WithoutSince,
        Self::Memory,
        Self::Redis,
        Self::Restarted,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::WithoutSince => "without `since`: nothing is replayed",
            Self::Memory => "to the node that they left",
            Self::Redis => "the same, its log in Redis",
            Self::Restarted => "to a node that was started on the log in Redis since",
        }
    }
}

pub async fn measure() {
    let clients = CLIENTS.min(raise_files() - OTHER_FILES);
    println!(
        "\n### Log (c): {clients} clients reconnect at once, each to {LISTS_PER_CLIENT} of {LISTS} lists, {EVENTS} rows later\n"
    );
    let redis = Redis::start().await;
    let mut samples = Variant::ALL.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for offset in 0..samples.len() {
            let index = (round + offset) % samples.len();
            let prefix = format!("{}?prefix=storm{round}{index}", redis.url());
            samples[index].push(measure_once(Variant::ALL[index], clients, prefix));
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
        let verdict = if elapsed <= AIM.as_secs_f64() {
            "holds"
        } else {
            "not reached"
        };
        verdicts.push(format!("{}: {verdict}", variant.name()));
    }
    println!("\nThe aim is {AIM:?}. {}.", verdicts.join("; "));
}

/// The report of the clients, the processor time of the server, and how long the server was ready
/// while another program had its core.
struct Sample {
    report: Report,
    used: Duration,
    waited: Duration,
}

/// Runs the storm once.
fn measure_once(variant: Variant, clients: usize, redis: String) -> Sample {
    let redis = match variant {
        Variant::WithoutSince | Variant::Memory => None,
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
            since: (!matches!(variant, Variant::WithoutSince)).then_some(served.since),
            clients,
        },
    );
    Sample {
        report: client.answer(),
        used: server.used() - used,
        waited: server.waited().saturating_sub(waited),
    }
}
