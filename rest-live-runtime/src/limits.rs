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
    /// Messages waiting for one client: 1,024. At more it is told to reset: the messages are
    /// dropped for an error frame 410 a model. If the same happens before it has caught up, it is
    /// closed with 4508.
    pub pending_messages: usize,
    /// Bytes waiting for one client: 262,144; as `pending_messages`. A single larger message passes.
    pub pending_bytes: usize,
    /// Time between two websocket pings: 25 s. A client from which nothing came for two intervals
    /// is closed with 4408.
    pub ping_interval: Duration,
    /// Time that the handshake, a stalled write and the end of a closing connection may take: 10 s
    /// each. Then the connection is dropped.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 128,
            message_bytes: 64 * 1024,
            pending_messages: 1024,
            pending_bytes: 256 * 1024,
            ping_interval: Duration::from_secs(25),
            stall: Duration::from_secs(10),
        }
    }
}
