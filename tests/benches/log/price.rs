//! Measures the cost of a write with each log, compared with SeaORM's own connection, on a
//! PostgreSQL that writes a commit to the disk before it answers.

mod writer;

use std::time::Duration;

use rest_live::{Live, log::MemoryLog};
use rest_live_benches::median;
use rest_live_outbox::OutboxLog;
use rest_live_redis::RedisLog;
use tokio::time::interval;

use self::writer::{Db, Witness, Write};
use super::{
    append::aim,
    logs::{Log, Services},
    model::plain as task,
};

const ROUNDS: usize = 7;
/// Concurrent writers.
const WRITERS: usize = 16;
/// How long the writers write in a round.
const ROUND_TIME: Duration = Duration::from_millis(800);
/// Rows of each writer.
const ROWS: usize = 64;
/// Single writes of a round, for the latency.
const SINGLE: u32 = 50;
/// Single writes per second.
const PER_SECOND: u32 = 100;

/// Maximum ratio of the throughput of SeaORM alone to that of a transaction with the outbox.
const LIMIT: f64 = 1.6;

const VARIANTS: [Option<Log>; 4] = [None, Some(Log::Memory), Some(Log::Redis), Some(Log::Outbox)];

fn name(variant: Option<Log>) -> &'static str {
    variant.map_or("SeaORM alone", Log::name)
}

pub async fn measure(services: &Services) {
    println!("\n### Log (b): the same write with each log, with a subscriber\n");
    task::create(&services.db).await;
    for _ in 0..WRITERS * ROWS {
        task::insert(&services.db, 1).await.unwrap();
    }
    let mut dbs = Vec::new();
    for variant in VARIANTS {
        dbs.push(open(services, variant).await);
    }
    println!("{WRITERS} writers; writes per second and ratios are medians of {ROUNDS} rounds.\n");
    println!("| write | log | writes/s | SeaORM alone / this | |");
    println!("|---|---|---:|---:|---|");
    for write in Write::ALL {
        let mut rates = VARIANTS.map(|_| Vec::new());
        for round in 0..ROUNDS {
            for offset in 0..dbs.len() {
                let index = (round + offset) % dbs.len();
                rates[index].push(throughput(&dbs[index], write).await);
            }
        }
        for (index, variant) in VARIANTS.into_iter().enumerate() {
            let ratios = rates[0].iter().zip(&rates[index]);
            let ratio = median(
                ratios
                    .map(|(alone, with)| alone / with)
                    .collect::<Vec<f64>>(),
            );
            let verdict = match (write, variant) {
                (Write::Transaction, Some(Log::Outbox)) if ratio <= LIMIT => "holds: at most 1.6",
                (Write::Transaction, Some(Log::Outbox)) => "not reached: at most 1.6",
                _ => "",
            };
            let (write, log) = (write.name(), name(variant));
            let rate = median(rates[index].clone());
            println!("| {write} | {log} | {rate:.0} | {ratio:.2} | {verdict} |");
        }
    }
    measure_single(&dbs).await;
    for db in dbs {
        db.end().await;
    }
}

/// Measures one write at a time: how long it takes, and when a client receives it.
async fn measure_single(dbs: &[Db]) {
    println!(
        "\nOne write at a time, {PER_SECOND} per second: an update that commits by itself.\n\
         \"Write\" counts until it returns, \"client\" from its start until a session in this process has the frame.\n\
         What is asked concerns what is added to SeaORM's own write, most of which is the disk.\n"
    );
    println!(
        "| log | write p50 ms | p99 | client p50 ms | p99 | client's p50 on top of SeaORM's write | asked | |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let mut all = VARIANTS.map(|_| (Vec::new(), Vec::new()));
    for round in 0..ROUNDS {
        for offset in 0..dbs.len() {
            let index = (round + offset) % dbs.len();
            let (writes, deliveries) = latencies(&dbs[index]).await;
            all[index].0.extend(writes);
            all[index].1.extend(deliveries);
        }
    }
    for (writes, deliveries) in &mut all {
        writes.sort_unstable();
        deliveries.sort_unstable();
    }
    let alone = percentile(&all[0].0, 50);
    for ((writes, deliveries), variant) in all.iter().zip(VARIANTS) {
        let (p50, p99) = (percentile(writes, 50), percentile(writes, 99));
        print!("| {} | {p50:.2} | {p99:.2} |", name(variant));
        let Some(log) = variant else {
            println!(" - | - | - | | |");
            continue;
        };
        let (p50, aim) = (percentile(deliveries, 50), aim(log));
        let verdict = if p50 - alone < aim {
            "holds"
        } else {
            "not reached"
        };
        println!(
            " {p50:.2} | {:.2} | {:+.2} | under {aim} | {verdict} |",
            percentile(deliveries, 99),
            p50 - alone
        );
    }
}

/// Returns a percentile in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

async fn open(services: &Services, variant: Option<Log>) -> Db {
    let builder = Live::builder(services.db.clone());
    let builder = match variant {
        None => return Db::Plain(services.db.clone()),
        Some(Log::Memory) => builder.log(MemoryLog::default()),
        Some(Log::Redis) => {
            let url = format!("{}?prefix=price", services.redis.url());
            builder.log(RedisLog::connect(&url).await.unwrap())
        }
        Some(Log::Outbox) => builder.log(OutboxLog::open(services.db.clone()).await.unwrap()),
    };
    let live = builder.build().unwrap();
    let witness = Witness::start(&live).await;
    Db::Live(live, witness)
}

/// Returns how many writes per second all writers make together.
async fn throughput(db: &Db, write: Write) -> f64 {
    let start = tokio::time::Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let connection = db.connection();
        tokio::spawn(async move {
            let mut count = 0;
            while start.elapsed() < ROUND_TIME {
                let id = writer * ROWS + count as usize % ROWS + 1;
                connection.write(write, id as i32, count).await;
                count += 1;
            }
            count
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut count = 0;
    for writer in writers {
        count += writer.await.unwrap();
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    db.wait_until_quiet().await;
    rate
}

/// Returns how long the writes took, and how long until a session received them.
async fn latencies(db: &Db) -> (Vec<Duration>, Vec<Duration>) {
    let connection = db.connection();
    let (mut writes, mut deliveries) = (Vec::new(), Vec::new());
    let mut due = interval(Duration::from_secs(1) / PER_SECOND);
    for n in 0..SINGLE {
        due.tick().await;
        let start = tokio::time::Instant::now();
        let before = db.frames();
        connection
            .write(Write::Update, n as i32 % ROWS as i32 + 1, n)
            .await;
        writes.push(start.elapsed());
        if let Some(arrival) = db.frame_after(before).await {
            deliveries.push(arrival.duration_since(start));
        }
    }
    (writes, deliveries)
}
