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

mod build;
mod capture;
mod entities;
mod examples;
mod logs;
mod protocol;
mod support;
mod websocket;
