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
mod entities;
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
mod rights;
mod support;
mod transactions;
mod vault;
mod writes;
