//! Captured events on their way into the event log: ordered per row, then appended.

pub(crate) mod detach;
pub(crate) mod order;
pub(crate) mod publisher;
