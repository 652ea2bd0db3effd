//! Tests of sessions that have users: permissions, limits, isolation.
//!
//! This is a separate binary because a program has one user type, and the users of `it` are
//! anonymous.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the names of the tests describe them"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails when something is not as expected"
)]

mod arbitrary;
mod authorize;
mod authorize_limit;
mod clients;
mod credentials;
mod entities;
mod filters;
mod gauges;
mod groups;
mod isolation;
mod limits;
#[path = "../it/support/log.rs"]
mod log;
mod logs;
mod metrics;
mod model;
mod pressure;
mod property;
mod rights;
mod slow_clients;
mod tables;
mod transactions;
mod vault;
mod writes;

/// The servers that the tests start.
#[allow(dead_code, reason = "`it` needs more of it")]
#[path = "../it/support"]
mod support {
    use std::time::Duration;

    pub mod engine;
    mod port;
    pub mod redis;

    use self::port::free_port;

    /// How long a test waits for an expected event before it fails.
    pub const DEADLINE: Duration = Duration::from_secs(20);

    /// Interval at which a condition is polled that cannot be awaited.
    pub const TICK: Duration = Duration::from_millis(5);
}
