//! What the event log costs, whichever it is: `cargo xtask bench log`, and behind it the letters of parts, if not all are
//! wanted.
//!
//! (a) is a log by itself: events that capture has made are appended, and a websocket client of every node hears of them;
//! all in this process, but for Redis and PostgreSQL. (b) is what a write costs with each log. (c) is the storm: a server in a
//! process on the first core, ten thousand sockets in another on the second. All variants of a part take turns, so that
//! whatever else the machine does meanwhile, it does to all of them.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod append;
mod follower;
mod logs;
mod model;
mod node;
mod price;
mod process;
mod pubsub;
mod storm;
mod tap;

/// The core that a process has.
#[allow(dead_code, reason = "the fan-out needs more of it")]
#[path = "../fanout/host.rs"]
mod host;

/// The servers that the tests start.
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../it/support"]
mod support {
    use std::time::Duration;

    pub mod engine;
    mod port;
    pub mod redis;

    use self::port::free_port;

    const DEADLINE: Duration = Duration::from_secs(20);
    const TICK: Duration = Duration::from_millis(5);
}

use std::{sync::Arc, time::Instant};

use rest_live_benches::{machine, names};

use self::logs::Ground;

fn main() {
    let args = names();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["server", plan] => storm::run_server(&serde_json::from_str(plan).unwrap()),
        ["client", plan] => storm::run_client(&serde_json::from_str(plan).unwrap()),
        ref letters => measure(letters),
    }
}

const LETTERS: [&str; 3] = ["a", "b", "c"];

fn measure(letters: &[&str]) {
    if let Some(wrong) = letters.iter().find(|letter| !LETTERS.contains(letter)) {
        println!("no such part: {wrong:?}; there are a, b and c");
        std::process::exit(2);
    }
    let is_wanted = |letter| letters.is_empty() || letters.contains(&letter);
    let start = Instant::now();
    let command = ["cargo xtask bench log", &letters.join(" ")].join(" ");
    println!("{}", machine::description(command.trim_end()));
    if let Some(load) = machine::load() {
        println!("The machine's load before it: {load}.");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if is_wanted("a") || is_wanted("b") {
            let ground = Ground::start().await;
            println!("{}.", ground.description().await);
            // Requests are tasks on a worker, and so are these writes. The servers end with the thread that started them.
            let ground = Arc::new(ground);
            let measured = Arc::clone(&ground);
            let (append, price) = (is_wanted("a"), is_wanted("b"));
            let parts = async move {
                if append {
                    append::measure(&measured).await;
                }
                if price {
                    price::measure(&measured).await;
                }
            };
            tokio::spawn(Box::pin(parts)).await.unwrap();
        }
        if is_wanted("c") {
            storm::measure().await;
        }
    });
    println!("\nAll of it took {} s.", start.elapsed().as_secs());
}
