//! What is queued for each client, and what happens to a slow one.

pub(crate) mod backpressure;
pub(crate) mod outbox;
pub(crate) mod peer;
pub(crate) mod resets;
pub(crate) mod staleness;
pub(crate) mod taking;
