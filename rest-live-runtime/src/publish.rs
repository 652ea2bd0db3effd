//! Publishes captured events: orders the events of each row and appends them to the event log.

pub(crate) mod detach;
pub(crate) mod open_writes;
pub(crate) mod order;
pub(crate) mod publisher;
