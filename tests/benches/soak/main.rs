//! Soak test: 2,000 connections come, go, stall and flood beside well-behaved clients.
//!
//! The well-behaved clients must read each frame once and in order, the server's memory must not
//! grow, and nothing may be left at the end. Run it with `cargo xtask soak`, which takes
//! `--seconds N` and `--seed S`.
//!
//! There are two processes, because only the server's memory counts: this one with all clients, and
//! the server. The server is a typical application: warp, SeaORM on a SQLite file, default limits.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod connection;
mod dialect;
mod end;
mod follower;
mod frame;
mod memory;
mod mischief;
mod plan;
mod process;
mod run;
mod sequence;
mod server;
mod swarm;
mod tally;
mod verdict;
mod wait;

use std::process::ExitCode;

use rest_live_benches::machine;
use tokio::runtime::{Builder, Runtime};

use self::plan::Plan;

/// Threads of each of the two processes.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    // Cargo adds `--bench` to the arguments.
    let args: Vec<_> = args.filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    rest_live_benches::raise_files();
    if args == [process::SERVER] {
        runtime().block_on(server::run());
        return ExitCode::SUCCESS;
    }
    let Some(plan) = Plan::parse(&args) else {
        println!("{}", plan::USAGE);
        return ExitCode::from(2);
    };
    println!("{}", machine::description(&plan.command()));
    if runtime().block_on(run::run(&plan)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all();
    builder.build().unwrap()
}
