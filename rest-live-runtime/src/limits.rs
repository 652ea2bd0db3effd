//! What clients may cost.

use std::time::Duration;

/// Limits of the connections, with their defaults. What is over a limit gets the error or close code
/// that the field names.
///
/// ```
/// # use rest_live_runtime as rest_live;
/// let mut limits = rest_live::Limits::default();
/// limits.subscriptions = 256;
/// limits.connections_per_address = Some(100);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Subscriptions of one connection: 128. One more is answered with error 429.
    pub subscriptions: usize,
    /// Bytes of one inbound message: 65,536. A larger one closes the connection with 1009.
    pub message_bytes: usize,
    /// Inbound messages of one connection: 100 a second, 1,000 at once. One more is answered with error
    /// 429 and not carried out; when ten bursts were refused, the connection is closed with 4429.
    pub messages: Rate,
    /// Requests with `since` of one connection: 10 a second, 128 at once. One more is answered with
    /// error 429.
    pub resumes: Rate,
    /// Bytes of the `id` of a request: 64. A longer one is error 400.
    pub id_bytes: usize,
    /// Bytes of text in the value of a key, such as `{"owner":"..."}`: 1,024. A longer one is error 400.
    pub key_bytes: usize,
    /// Broadcasts waiting for one client: 1,024. At more it *lags*: they are dropped, and it is told to
    /// reset, which is to fetch again. The third time within a minute the connection is closed with
    /// 4508. As many answers may wait beside them; at more it is closed with 4508.
    pub pending_messages: usize,
    /// Bytes waiting for one client: 262,144; as `pending_messages`. A single larger message passes.
    pub pending_bytes: usize,
    /// Bytes of a connection's TCP send buffer, `SO_SNDBUF`: 65,536, which Linux doubles; zero leaves it to the system. What is
    /// in there and in the client's own buffer waits for nobody: a client that reads nothing is noticed behind it, with the system's
    /// default after some megabytes.
    pub send_buffer: usize,
    /// Connections in all, until their sockets are gone: as many as there are, unless set. One more is
    /// closed with 4429, as soon as it is a websocket.
    pub connections: Option<usize>,
    /// Connections of one user, who is told by [`LiveBuilder::user_key`](crate::LiveBuilder::user_key):
    /// as `connections`.
    pub connections_per_user: Option<usize>,
    /// Connections from one address, of IPv6 from one /64 network: as `connections`. It is the address
    /// of who connects, behind a reverse proxy the proxy's: there, set it in the proxy. Connections whose
    /// address nobody knows, as those of a Unix socket, are not counted.
    pub connections_per_address: Option<usize>,
    /// Time between two pings: 25 s; zero is none. A client that only listens says nothing but its pongs: without
    /// pings it is closed after `idle`, unless that is zero, too.
    pub ping_interval: Duration,
    /// Time after which a client from which nothing came, not even a pong, is closed with 4408: 50 s,
    /// which is two pings; zero is never.
    pub idle: Duration,
    /// Time that the upgrade to a websocket may take: 10 s. Then the connection is dropped.
    pub handshake: Duration,
    /// Time that one call of an `authorize` may take, or the look for a row: 10 s. Then the request is
    /// answered with error 503.
    pub authorize: Duration,
    /// Time in which a client that something waits for takes none of it: 10 s; zero is any. Then it is closed with 4508, and what waits
    /// is dropped. When it takes the close frame no more either, or does not answer a close, the connection is dropped after
    /// the same time.
    pub stall: Duration,
    /// Time that a shutdown waits for the clients: 10 s. Then they are dropped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 128,
            message_bytes: 64 * 1024,
            messages: Rate::new(100, 1000),
            resumes: Rate::new(10, 128),
            id_bytes: 64,
            key_bytes: 1024,
            pending_messages: 1024,
            pending_bytes: 256 * 1024,
            send_buffer: 64 * 1024,
            connections: None,
            connections_per_user: None,
            connections_per_address: None,
            ping_interval: Duration::from_secs(25),
            idle: Duration::from_secs(50),
            handshake: Duration::from_secs(10),
            authorize: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Returns how long to wait where zero is for ever.
pub(crate) fn patience(limit: Duration) -> Duration {
    match limit {
        Duration::ZERO => Duration::MAX,
        limit => limit,
    }
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, after a time of rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// Returns a rate.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}
