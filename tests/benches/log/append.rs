//! Measures how many events a log accepts and delivers per second, and the latency of single
//! events.

use std::{sync::Arc, time::Duration};

use rest_live_benches::median;
use tokio::time::{Instant, interval};

use super::{
    follower::Board,
    logs::{Log, Services},
    node::Node,
    pubsub::Channel,
};

const ROUNDS: usize = 3;
/// Events of a burst.
const BURST: usize = 20_000;
/// Tasks that append the events of a burst.
const WRITERS: usize = 64;
/// Maximum number of events in flight during a burst.
const MAX_IN_FLIGHT: usize = 512;
/// Events of a burst with the outbox. It takes events one by one, so these need as much time.
const OUTBOX_BURST: usize = 2000;
/// Rows of each node.
const ROWS: usize = 2048;
/// Single events, for the latency.
const SINGLE: usize = 1000;
/// Single events per second.
const PER_SECOND: u32 = 500;

#[derive(Clone, Copy)]
enum Variant {
    Log(Log, usize),
    Channel(usize),
}

const VARIANTS: [Variant; 7] = [
    Variant::Log(Log::Memory, 1),
    Variant::Log(Log::Redis, 1),
    Variant::Log(Log::Redis, 2),
    Variant::Channel(1),
    Variant::Channel(2),
    Variant::Log(Log::Outbox, 1),
    Variant::Log(Log::Outbox, 2),
];

/// The nodes to which events are appended.
enum Nodes {
    Live(Vec<Node>),
    Channel(Channel),
}

#[derive(Clone, Copy)]
struct Sample {
    per_second: f64,
    p50: f64,
    p99: f64,
}

pub async fn measure(services: &Services) {
    println!(
        "\n### Log (a): from append to a websocket client of every node\n\n\
         Events per second are of a burst: {WRITERS} writers, with at most {MAX_IN_FLIGHT} events under way.\n\
         p50 and p99 are of single events: {PER_SECOND} per second, each append in a task of its own.\n\
         They count from the call of `append` until the client reads the message.\n"
    );
    let mut samples = VARIANTS.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for offset in 0..VARIANTS.len() {
            let index = (round + offset) % VARIANTS.len();
            let name = format!("append{round}{index}");
            samples[index].push(measure_once(services, VARIANTS[index], &name).await);
        }
    }
    let of = |index: usize, figure: fn(&Sample) -> f64| {
        median(samples[index].iter().map(figure).collect::<Vec<_>>())
    };
    let channel = of(3, |sample| sample.per_second);
    println!("| log | nodes | events/s | of PUB/SUB's with one | p50 ms | p99 ms | p50 asked | |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    for (index, variant) in VARIANTS.into_iter().enumerate() {
        let (name, nodes, aim) = match variant {
            Variant::Log(log, nodes) => (log.name(), nodes, Some(aim(log))),
            Variant::Channel(nodes) => ("PUB/SUB, no log", nodes, None),
        };
        let (per_second, p50) = (of(index, |s| s.per_second), of(index, |s| s.p50));
        let verdict = match aim {
            Some(aim) if p50 < aim => "holds",
            Some(_) => "not reached",
            None => "",
        };
        println!(
            "| {name} | {nodes} | {per_second:.0} | {:.2} | {p50:.2} | {:.2} | {} | {verdict} |",
            per_second / channel,
            of(index, |sample| sample.p99),
            aim.map_or(String::new(), |aim| format!("under {aim}")),
        );
    }
}

/// Returns the aim for the median latency, in milliseconds.
pub fn aim(log: Log) -> f64 {
    match log {
        Log::Memory => 1.0,
        Log::Redis => 2.0,
        Log::Outbox => 5.0,
    }
}

async fn measure_once(services: &Services, variant: Variant, name: &str) -> Sample {
    let (Variant::Log(_, count) | Variant::Channel(count)) = variant;
    // Consecutive events go to different nodes.
    let rows = (0..ROWS).flat_map(|row| (0..count).map(move |node| node * ROWS + row));
    let board = Board::new(count, rows.collect(), MAX_IN_FLIGHT);
    let nodes = match variant {
        Variant::Log(log, count) => {
            let mut nodes = Vec::new();
            for node in 0..count {
                let (log, rows) = (
                    services.open(log, name).await,
                    node * ROWS..(node + 1) * ROWS,
                );
                nodes.push(Node::start(log, rows, Arc::clone(&board)).await);
            }
            Nodes::Live(nodes)
        }
        Variant::Channel(count) => {
            Nodes::Channel(Channel::start(&services.redis.url(), name, count, &board).await)
        }
    };
    let nodes = Arc::new(nodes);
    let burst = match variant {
        Variant::Log(Log::Outbox, _) => OUTBOX_BURST,
        _ => BURST,
    };
    let latencies = single_latencies(&nodes, &board).await;
    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (nodes, board) = (Arc::clone(&nodes), Arc::clone(&board));
            tokio::spawn(async move {
                for _ in (writer..burst).step_by(WRITERS) {
                    nodes.append(&board).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    board.wait_for(burst).await;
    let per_second = burst as f64 / start.elapsed().as_secs_f64();
    match Arc::into_inner(nodes).unwrap() {
        Nodes::Live(nodes) => {
            for node in nodes {
                node.end().await;
            }
        }
        Nodes::Channel(channel) => channel.end(),
    }
    let quantile = |percent: usize| {
        let index = (latencies.len() - 1) * percent / 100;
        latencies[index].as_secs_f64() * 1e3
    };
    Sample {
        per_second,
        p50: quantile(50),
        p99: quantile(99),
    }
}

/// Appends single events, and returns the latencies of all clients, sorted.
async fn single_latencies(nodes: &Arc<Nodes>, board: &Arc<Board>) -> Vec<Duration> {
    let mut due = interval(Duration::from_secs(1) / PER_SECOND);
    for _ in 0..SINGLE {
        due.tick().await;
        let (nodes, board) = (Arc::clone(nodes), Arc::clone(board));
        tokio::spawn(async move { nodes.append(&board).await });
    }
    let mut latencies = board.wait_for(SINGLE).await;
    latencies.sort_unstable();
    latencies
}

impl Nodes {
    /// Appends an event on the node that has its row.
    async fn append(&self, board: &Board) {
        let row = board.append().await;
        match self {
            Self::Live(nodes) => nodes[row / ROWS].append(row % ROWS).await,
            Self::Channel(channel) => channel.publish(row).await,
        }
    }
}
