//! What is kept for a client only while it is slow, or because it was.

use std::time::Instant;

use crate::protocol::frame::Frame;

/// The state of a slow client. Clients that were never slow have none.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    /// Set while the client is behind.
    pub(crate) behind: Option<Behind>,
    /// Frames that are sent when the client is no longer behind and has received its reset.
    pub(crate) held: Vec<Frame>,
    /// When the last lags started that end with a reset, oldest first.
    pub(super) lags: Vec<Instant>,
}

/// A client whose queued broadcasts were dropped. It receives none until a replay from the history
/// has brought it to the present.
#[derive(Debug)]
pub(crate) struct Behind {
    /// Everything up to this position of the event log has been sent.
    pub(crate) since: u64,
}
