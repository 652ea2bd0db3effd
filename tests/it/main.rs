//! The behavior of rest-live as users see it: real databases, real websocket clients, port 0.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the name of a test describes it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]
#![allow(clippy::print_stderr, reason = "tests print their measurements")]

mod build;
mod capture;
mod columns;
mod entities;
mod examples;
mod logs;
mod protocol;
mod support;
mod tenants;
mod websocket;
