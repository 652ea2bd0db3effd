//! What is queued for each client, and what happens to a slow one.

pub(crate) mod backpressure;
pub(crate) mod client;
pub(crate) mod drain;
pub(crate) mod reset;
pub(crate) mod send_queue;
pub(crate) mod staleness;
