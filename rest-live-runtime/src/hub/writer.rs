//! Writes queued frames to sockets.

pub(crate) mod attached;
pub(crate) mod flush;
pub(crate) mod heartbeat;
pub(crate) mod socket;
pub(crate) mod write_batch;
