//! Writes queued frames to sockets.

pub(crate) mod attached;
pub(crate) mod clock;
pub(crate) mod flush;
pub(crate) mod turn;
pub(crate) mod wire;
