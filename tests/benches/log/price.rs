//! What a write costs with each log, beside SeaORM's own connection, on a PostgreSQL that has all on the disk before it
//! answers.

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
    logs::{Ground, Log},
    model::plain as task,
};

const ROUNDS: usize = 7;
/// Writers at once, and for how long in a round.
const WRITERS: usize = 16;
const LASTING: Duration = Duration::from_millis(800);
/// Rows of each writer.
const ROWS: usize = 64;
/// One by one in a round, so many a second.
const SINGLE: u32 = 50;
const PER_SECOND: u32 = 100;

/// What a transaction may cost in throughput with the outbox.
const LIMIT: f64 = 1.6;

const VARIANTS: [Option<Log>; 4] = [None, Some(Log::Memory), Some(Log::Redis), Some(Log::Outbox)];

fn name(variant: Option<Log>) -> &'static str {
    variant.map_or("SeaORM alone", Log::name)
}

pub async fn measure(ground: &Ground) {
    println!("\n### (b) the same write with each log; somebody is subscribed\n");
    task::create(&ground.db).await;
    for _ in 0..WRITERS * ROWS {
        task::insert(&ground.db, 1).await.unwrap();
    }
    let mut dbs = Vec::new();
    for variant in VARIANTS {
        dbs.push(open(ground, variant).await);
    }
    println!("{WRITERS} writers; medians of {ROUNDS} rounds, of the ratios too.\n");
    println!("| write | log | writes/s | SeaORM alone / this | |");
    println!("|---|---|---:|---:|---|");
    for write in Write::ALL {
        let mut rates = VARIANTS.map(|_| Vec::new());
        for round in 0..ROUNDS {
            for turn in 0..dbs.len() {
                let place = (round + turn) % dbs.len();
                rates[place].push(throughput(&dbs[place], write).await);
            }
        }
        for (place, variant) in VARIANTS.into_iter().enumerate() {
            let ratios = rates[0].iter().zip(&rates[place]);
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
            let (what, of) = (write.name(), name(variant));
            let rate = median(rates[place].clone());
            println!("| {what} | {of} | {rate:.0} | {ratio:.2} | {verdict} |");
        }
    }
    measure_single(&dbs).await;
    for db in dbs {
        db.end().await;
    }
}

/// Measures one write at a time: what a log adds until a client hears of it.
async fn measure_single(dbs: &[Db]) {
    println!(
        "\nOne write at a time, {PER_SECOND} a second, an update that commits by itself: until it returns, and from its \
         beginning until a session in this process has the frame. What is asked is of what comes on top of SeaORM's own write, \
         most of which is the disk.\n"
    );
    println!(
        "| log | write p50 ms | p99 | client p50 ms | p99 | client's p50 on top of SeaORM's write | asked | |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let mut all = VARIANTS.map(|_| (Vec::new(), Vec::new()));
    for round in 0..ROUNDS {
        for turn in 0..dbs.len() {
            let place = (round + turn) % dbs.len();
            let (writes, told) = latencies(&dbs[place]).await;
            all[place].0.extend(writes);
            all[place].1.extend(told);
        }
    }
    for (writes, told) in &mut all {
        writes.sort_unstable();
        told.sort_unstable();
    }
    let alone = at(&all[0].0, 50);
    for ((writes, told), variant) in all.iter().zip(VARIANTS) {
        let (p50, p99) = (at(writes, 50), at(writes, 99));
        print!("| {} | {p50:.2} | {p99:.2} |", name(variant));
        let Some(log) = variant else {
            println!(" - | - | - | | |");
            continue;
        };
        let (p50, aim) = (at(told, 50), aim(log));
        let verdict = match p50 - alone < aim {
            true => "holds",
            false => "not reached",
        };
        println!(
            " {p50:.2} | {:.2} | {:+.2} | under {aim} | {verdict} |",
            at(told, 99),
            p50 - alone
        );
    }
}

/// Returns the value at a percentage, in milliseconds.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

async fn open(ground: &Ground, variant: Option<Log>) -> Db {
    let builder = Live::builder(ground.db.clone());
    let builder = match variant {
        None => return Db::Plain(ground.db.clone()),
        Some(Log::Memory) => builder.log(MemoryLog::default()),
        Some(Log::Redis) => {
            let url = format!("{}?prefix=price", ground.redis.url());
            builder.log(RedisLog::connect(&url).await.unwrap())
        }
        Some(Log::Outbox) => builder.log(OutboxLog::open(ground.db.clone()).await.unwrap()),
    };
    let live = builder.build().unwrap();
    let witness = Witness::start(&live).await;
    Db::Live(live, witness)
}

/// Returns how many writes a second all writers make together.
async fn throughput(db: &Db, write: Write) -> f64 {
    let start = tokio::time::Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let connection = db.connection();
        tokio::spawn(async move {
            let mut count = 0;
            while start.elapsed() < LASTING {
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
    db.told().await;
    rate
}

/// Returns how long writes took, and how long until they were told.
async fn latencies(db: &Db) -> (Vec<Duration>, Vec<Duration>) {
    let connection = db.connection();
    let (mut writes, mut told) = (Vec::new(), Vec::new());
    let mut due = interval(Duration::from_secs(1) / PER_SECOND);
    for n in 0..SINGLE {
        due.tick().await;
        let start = tokio::time::Instant::now();
        let before = db.frames();
        connection
            .write(Write::Update, n as i32 % ROWS as i32 + 1, n)
            .await;
        writes.push(start.elapsed());
        if let Some(at) = db.frame_after(before).await {
            told.push(at.duration_since(start));
        }
    }
    (writes, told)
}
