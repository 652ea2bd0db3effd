//! What sessions do whatever happens: properties, on random users, rows, writes and messages.
//!
//! A binary of its own, for its models have permissions for a [`User`](entities::User): a `Live` of
//! other users refuses to be built beside them.

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
mod clients;
mod entities;
mod gauges;
mod model;
mod support;
mod writes;
