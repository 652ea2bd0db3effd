//! How many events a log takes and hands out, and how soon.

use std::{sync::Arc, time::Duration};

use rest_live_benches::median;
use tokio::time::{Instant, interval};

use super::{
    follower::Board,
    logs::{Ground, Log},
    node::Node,
    pubsub::Channel,
};

const ROUNDS: usize = 3;
/// Events of a burst, by so many writers, of which so many are under way at once.
const BURST: usize = 20_000;
const WRITERS: usize = 64;
const UNDER_WAY: usize = 512;
/// Of the outbox, which takes them one by one: the same time.
const BURST_OF_OUTBOX: usize = 2000;
/// Rows, of each node as many.
const ROWS: usize = 2048;
/// One by one, so many a second.
const SINGLE: usize = 1000;
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

/// Where events are appended to.
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

pub async fn measure(ground: &Ground) {
    println!(
        "\n### (a) appended, and with a websocket client of every node\n\n\
         A burst: {WRITERS} writers, {UNDER_WAY} events under way at most. One by one: {PER_SECOND} a second, \
         each append in a task of its own; from the call of `append` to what the client reads.\n"
    );
    let mut samples = VARIANTS.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for turn in 0..VARIANTS.len() {
            let place = (round + turn) % VARIANTS.len();
            let name = format!("append{round}{place}");
            samples[place].push(take(ground, VARIANTS[place], &name).await);
        }
    }
    let of = |place: usize, figure: fn(&Sample) -> f64| {
        median(samples[place].iter().map(figure).collect::<Vec<_>>())
    };
    let channel = of(3, |sample| sample.per_second);
    println!("| log | nodes | events/s | of PUB/SUB's with one | p50 ms | p99 ms | p50 asked | |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    for (place, variant) in VARIANTS.into_iter().enumerate() {
        let (name, nodes, aim) = match variant {
            Variant::Log(log, nodes) => (log.name(), nodes, Some(aim(log))),
            Variant::Channel(nodes) => ("PUB/SUB, no log", nodes, None),
        };
        let (per_second, p50) = (of(place, |s| s.per_second), of(place, |s| s.p50));
        let verdict = match aim {
            Some(aim) if p50 < aim => "holds",
            Some(_) => "not reached",
            None => "",
        };
        println!(
            "| {name} | {nodes} | {per_second:.0} | {:.2} | {p50:.2} | {:.2} | {} | {verdict} |",
            per_second / channel,
            of(place, |sample| sample.p99),
            aim.map_or(String::new(), |aim| format!("under {aim}")),
        );
    }
}

/// Milliseconds that the median may take.
pub fn aim(log: Log) -> f64 {
    match log {
        Log::Memory => 1.0,
        Log::Redis => 2.0,
        Log::Outbox => 5.0,
    }
}

async fn take(ground: &Ground, variant: Variant, name: &str) -> Sample {
    let (Variant::Log(_, count) | Variant::Channel(count)) = variant;
    // The nodes take turns.
    let rows = (0..ROWS).flat_map(|row| (0..count).map(move |node| node * ROWS + row));
    let board = Board::new(count, rows.collect(), UNDER_WAY);
    let nodes = match variant {
        Variant::Log(log, count) => {
            let mut nodes = Vec::new();
            for node in 0..count {
                let (log, rows) = (ground.open(log, name).await, node * ROWS..(node + 1) * ROWS);
                nodes.push(Node::start(log, rows, Arc::clone(&board)).await);
            }
            Nodes::Live(nodes)
        }
        Variant::Channel(count) => {
            Nodes::Channel(Channel::start(&ground.redis.url(), name, count, &board).await)
        }
    };
    let nodes = Arc::new(nodes);
    let burst = match variant {
        Variant::Log(Log::Outbox, _) => BURST_OF_OUTBOX,
        _ => BURST,
    };
    let latencies = single(&nodes, &board).await;
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
    board.heard(burst).await;
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
        let place = (latencies.len() - 1) * percent / 100;
        latencies[place].as_secs_f64() * 1e3
    };
    Sample {
        per_second,
        p50: quantile(50),
        p99: quantile(99),
    }
}

/// Appends one event after the other, and returns how long each took to each client, sorted.
async fn single(nodes: &Arc<Nodes>, board: &Arc<Board>) -> Vec<Duration> {
    let mut due = interval(Duration::from_secs(1) / PER_SECOND);
    for _ in 0..SINGLE {
        due.tick().await;
        let (nodes, board) = (Arc::clone(nodes), Arc::clone(board));
        tokio::spawn(async move { nodes.append(&board).await });
    }
    let mut latencies = board.heard(SINGLE).await;
    latencies.sort_unstable();
    latencies
}

impl Nodes {
    /// Appends an event to the node that has its row.
    async fn append(&self, board: &Board) {
        let row = board.append().await;
        match self {
            Self::Live(nodes) => nodes[row / ROWS].append(row % ROWS).await,
            Self::Channel(channel) => channel.publish(row).await,
        }
    }
}
