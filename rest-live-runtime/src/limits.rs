//! What one client may cost.

use std::time::Duration;

/// Limits of every session, with their defaults. What is over a limit gets the error or close code
/// that the field names.
///
/// ```
/// # use rest_live_runtime as rest_live;
/// let mut limits = rest_live::Limits::default();
/// limits.subscriptions = 256;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Subscriptions of one connection: 128. One more is answered with error 429.
    pub subscriptions: usize,
    /// Bytes of one inbound message: 65,536. A larger one closes the connection with 1009.
    pub message_bytes: usize,
    /// Messages waiting for one client: 1,024. At more it *lags*: they are dropped, and it gets an
    /// error frame 410 for each model it follows, to fetch again. The third time within a minute the
    /// connection is closed with 4508.
    pub pending_messages: usize,
    /// Bytes waiting for one client: 262,144; as `pending_messages`. A single larger message passes.
    pub pending_bytes: usize,
    /// Time between two websocket pings: 25 s; zero is none. A client from which nothing came for
    /// two intervals is closed with 4408.
    pub ping_interval: Duration,
    /// Time that the upgrade to a websocket may take: 10 s. Then the connection is dropped.
    pub handshake: Duration,
    /// Time that a write to a client may take, and then the client's answer to a close: 10 s. Then
    /// the connection is dropped.
    pub stall: Duration,
    /// Time that a shutdown waits for the clients: 10 s. Then they are dropped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 128,
            message_bytes: 64 * 1024,
            pending_messages: 1024,
            pending_bytes: 256 * 1024,
            ping_interval: Duration::from_secs(25),
            handshake: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}
