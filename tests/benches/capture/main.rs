//! What capture costs: statements and time of each kind of write, with and without rest-live, in one run. `cargo
//! xtask bench capture`, and behind it the names of writes, if not all are wanted.
//!
//! "Without" is SeaORM's own connection, and a model that knows nothing of rest-live. "With" is `Live::db()`,
//! where the write returns when its event is in the log; what the dispatcher then does takes the processor from
//! the next write, and so counts. All of them share one connection to the database, so that the pool has the same to
//! do; the writes that have a limit are measured again on ten, as many as a pool has by itself. On one, each write
//! waits for the connection of the last: sqlx tests it when it is given back, in a task that competes with the
//! dispatcher.

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

/// Rounds of each variant, in turn: whatever else the machine does meanwhile, it does to all of them.
const ROUNDS: usize = 60;

/// Of the writes that have a limit.
const ROUNDS_OF_LIMITED: usize = 200;

/// Writes in a round.
const WRITES_OF_ROUND: i32 = 10;

/// A row saved without a look at the row before costs at most this, or a twentieth of the write.
const LIMIT: Duration = Duration::from_micros(20);

fn main() {
    let names = names();
    let is_known = |name: &&String| WRITES.iter().any(|line| line.name == **name);
    if let Some(wrong) = names.iter().find(|name| !is_known(name)) {
        let known: Vec<_> = WRITES.iter().map(|line| line.name).collect();
        println!("no such write: {wrong:?}; there are: {}", known.join(", "));
        std::process::exit(2);
    }
    let is_wanted = |line: &&Line| names.is_empty() || names.iter().any(|name| name == line.name);
    let wanted: Vec<&'static Line> = WRITES.iter().filter(is_wanted).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!(
            "{}\n\
             Medians of writes, one after the other.\n\
             BEGIN and COMMIT are not among the statements.",
            machine::description("cargo xtask bench capture")
        );
        for engine in [Engine::Sqlite, Engine::Postgres] {
            // Not moved into the task: a server ends with the thread that started it.
            let database = TestDatabase::start(engine).await;
            let url = database.url();
            // Requests are tasks on a worker, and so are these writes.
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
            let verdict = match with <= without + LIMIT.max(without / 20) {
                true => "holds",
                false => "is exceeded",
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
    /// Of each variant.
    times: Vec<Duration>,
}

async fn measure(subject: &Subject, line: &Line) -> Measured {
    let mut statements = [0, 0];
    for (variant, statements) in Variant::ALL.into_iter().zip(&mut statements) {
        subject.refresh(line, 1).await;
        *statements = subject.statements(variant, line).await;
    }
    let variants = match line.rows {
        1 => &Variant::ALL[..],
        _ => &Variant::ALL[..2],
    };
    let rounds = match line.is_limited {
        true => ROUNDS_OF_LIMITED,
        false => ROUNDS,
    };
    let mut times = vec![Vec::new(); variants.len()];
    // The first round prepares the statements.
    for round in 0..=rounds {
        for turn in 0..variants.len() {
            let place = (round + turn) % variants.len();
            subject.refresh(line, WRITES_OF_ROUND).await;
            for n in 0..WRITES_OF_ROUND {
                let start = Instant::now();
                subject.write(variants[place], line, n).await;
                if round > 0 {
                    times[place].push(start.elapsed());
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
