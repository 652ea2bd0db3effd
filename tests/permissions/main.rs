//! How sessions behave that have users: permissions, limits, isolation. A binary of its own, for a
//! program has one type of users, and those of `it` are anonymous.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "tests say what they are by their names"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod arbitrary;
mod authorize;
mod clients;
mod entities;
mod gauges;
mod isolation;
mod limits;
#[path = "../it/support/log.rs"]
mod log;
mod logs;
mod metrics;
mod model;
mod pressure;
mod rights;
mod support;
mod transactions;
mod vault;
mod writes;
