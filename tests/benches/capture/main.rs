//! Measures the cost of capture: statements and time of each kind of write, with and without
//! rest-live, in one run. Run it with `cargo xtask bench capture`, and add the names of writes to
//! run only these.
//!
//! "Without" is SeaORM's own connection and a model that does not know rest-live. "With" is
//! `Live::db()`: a write returns when its event is in the log. The work of the dispatcher then
//! takes processor time from the next write, so it counts.
//!
//! All variants share one connection to the database, so that the pool has the same work. The
//! writes that have a limit are also measured with ten connections, the default of a pool. With one
//! connection, each write waits until the connection of the last write is back in the pool. sqlx
//! tests a returned connection in a task, which competes with the dispatcher.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod subject;
mod writes;

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

use rest_live_benches::{machine, median, names};

use self::{
    subject::{Subject, Variant},
    support::engine::{Engine, TestDatabase},
    writes::{Line, WRITES},
};

/// Rounds of each variant. The variants take turns, so that other load affects all of them.
const ROUNDS: usize = 60;

/// Rounds of the writes that have a limit.
const LIMITED_ROUNDS: usize = 200;

/// Writes of a round.
const WRITES_PER_ROUND: i32 = 10;

/// Maximum cost of capture for a save that does not read the old row; or a twentieth of the write,
/// if that is more.
const LIMIT: Duration = Duration::from_micros(20);

fn main() {
    let names = names();
    let is_known = |name: &&String| WRITES.iter().any(|line| line.name == **name);
    if let Some(wrong) = names.iter().find(|name| !is_known(name)) {
        let known: Vec<_> = WRITES.iter().map(|line| line.name).collect();
        println!(
            "there is no write {wrong:?}; the writes are: {}",
            known.join(", ")
        );
        std::process::exit(2);
    }
    let is_wanted = |line: &&Line| names.is_empty() || names.iter().any(|name| name == line.name);
    let wanted: Vec<&'static Line> = WRITES.iter().filter(is_wanted).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!(
            "{}\n\
             Times are medians of writes made one after another.\n\
             Statements do not include BEGIN and COMMIT.",
            machine::description("cargo xtask bench capture")
        );
        for engine in [Engine::Sqlite, Engine::Postgres] {
            // It stays in this thread, because a server ends with the thread that started it.
            let database = TestDatabase::start(engine).await;
            let url = database.url();
            // An application's requests are tasks on a worker, and so are these writes.
            let tables = tables(engine, url, wanted.clone());
            tokio::spawn(Box::pin(tables)).await.unwrap();
        }
    });
}

async fn tables(engine: Engine, url: String, wanted: Vec<&'static Line>) {
    for connections in [1, 10] {
        let subject = Subject::open(&url, connections).await;
        let database = subject.description().await;
        println!("\n{engine:?}: {database}, connections {connections}\n");
        let lines = wanted.iter().copied();
        let lines = lines.filter(|line| connections == 1 || line.is_limited);
        table(&subject, lines).await;
    }
}

async fn table(subject: &Subject, lines: impl Iterator<Item = &Line>) {
    println!(
        "| write | statements without | with | µs without | µs with | difference | ratio | µs with one subscriber |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut verdicts = Vec::new();
    for line in lines {
        let Measured {
            statements: [own, all],
            times,
        } = measure(subject, line).await;
        let (without, with) = (times[0], times[1]);
        let subscribed = times.get(2).map_or("-".to_owned(), |time| micros(*time));
        println!(
            "| {} | {own} | {all} | {} | {} | {:+.1} | {:.2} | {subscribed} |",
            line.name,
            micros(without),
            micros(with),
            (with.as_secs_f64() - without.as_secs_f64()) * 1e6,
            with.as_secs_f64() / without.as_secs_f64(),
        );
        if line.is_limited {
            let verdict = if with <= without + LIMIT.max(without / 20) {
                "holds"
            } else {
                "is exceeded"
            };
            verdicts.push(format!("{}: {verdict}", line.name));
        }
    }
    if !verdicts.is_empty() {
        println!("\nThe limit of {LIMIT:?} or 5 %: {}.", verdicts.join(", "));
    }
}

/// The medians of one kind of write.
struct Measured {
    statements: [usize; 2],
    /// The median time of each variant.
    times: Vec<Duration>,
}

async fn measure(subject: &Subject, line: &Line) -> Measured {
    let mut statements = [0, 0];
    for (variant, statements) in Variant::ALL.into_iter().zip(&mut statements) {
        subject.reset(line, 1).await;
        *statements = subject.statements(variant, line).await;
    }
    let variants = match line.rows {
        1 => &Variant::ALL[..],
        _ => &Variant::ALL[..2],
    };
    let rounds = if line.is_limited {
        LIMITED_ROUNDS
    } else {
        ROUNDS
    };
    let mut times = vec![Vec::new(); variants.len()];
    // The first round prepares the statements.
    for round in 0..=rounds {
        for offset in 0..variants.len() {
            let index = (round + offset) % variants.len();
            subject.reset(line, WRITES_PER_ROUND).await;
            for n in 0..WRITES_PER_ROUND {
                let start = Instant::now();
                subject.write(variants[index], line, n).await;
                if round > 0 {
                    times[index].push(start.elapsed());
                }
            }
        }
    }
    Measured {
        statements,
        times: times.into_iter().map(median).collect(),
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}
