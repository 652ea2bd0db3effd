//! How rest-live behaves, seen from outside: real databases, real websocket clients, port 0.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "tests say what they are by their names"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]
#![allow(clippy::print_stderr, reason = "what a test measured")]

mod autobahn;
mod browser;
mod build;
mod capture;
mod captured;
mod compose;
mod convergence;
mod databases;
mod entities;
mod golden;
mod hook;
mod hostile;
mod interleaved;
mod keys;
mod log_signals;
mod members;
mod metrics;
mod nodes;
mod outbox_log;
mod redis_log;
mod resume;
mod secret;
mod seed;
mod shutdown;
mod siege;
mod slow;
mod support;
mod todolist;
mod transactions;
mod v0_7;
mod v1;
