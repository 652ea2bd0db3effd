//! Measures the cost of each event log. Run it with `cargo xtask bench log`, and add the letters of
//! parts to run only these.
//!
//! - (a) is a log by itself. Events that capture made are appended, and a websocket client of every
//!   node receives them. All of it runs in this process, except Redis and PostgreSQL.
//! - (b) is the cost of a write with each log.
//! - (c) is the storm: a server process on the first core, and a process with ten thousand sockets
//!   on the second.
//!
//! The variants of a part take turns, so that other load on the machine affects all of them.

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

/// The core that a process runs on.
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

use self::logs::Services;

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
        println!("there is no part {wrong:?}; the parts are a, b and c");
        std::process::exit(2);
    }
    let is_wanted = |letter| letters.is_empty() || letters.contains(&letter);
    let start = Instant::now();
    let command = ["cargo xtask bench log", &letters.join(" ")].join(" ");
    println!("{}", machine::description(command.trim_end()));
    if let Some(load) = machine::load() {
        println!("Load average before the run: {load}.");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if is_wanted("a") || is_wanted("b") {
            let services = Services::start().await;
            println!("{}.", services.description().await);
            // An application's requests are tasks on a worker, and so are these writes. The servers
            // stay in this thread, because they end with the thread that started them.
            let services = Arc::new(services);
            let measured = Arc::clone(&services);
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
    println!("\nThe run took {} s.", start.elapsed().as_secs());
}
