//! Whether the server lasts: 2,000 connections that come, go, stall and flood beside well-behaved ones, who are to read
//! each frame once and in order, while the memory stays as it is; and nothing is left of them in the end.
//! `cargo xtask soak`, with `--seconds N` and `--seed S`.
//!
//! Two processes, for the memory that counts is the server's alone: this one with all the clients, and the server, which
//! is the program as an application has it: warp, SeaORM on a SQLite file, limits as they are by default.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod connection;
mod dialect;
mod end;
mod follower;
mod frame;
mod ground;
mod memory;
mod mischief;
mod plan;
mod process;
mod run;
mod sequence;
mod server;
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
    // What cargo adds to what was asked for.
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
    match runtime().block_on(run::run(&plan)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all();
    builder.build().unwrap()
}
