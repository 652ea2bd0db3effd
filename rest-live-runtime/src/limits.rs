//! Limits on what clients can cost. The hub, the sessions and the transports enforce them.

use std::time::Duration;

/// Limits of the connections of one [`Live`](crate::Live).
///
/// Every limit has a default. For a limit that takes an `Option`, `None` disables the limit. If a
/// client exceeds a limit, it receives the error or the close code that the setter names.
///
/// ```
/// # use rest_live_runtime as rest_live;
/// use rest_live::Limits;
///
/// let limits = Limits::default()
///     .max_subscriptions(256)
///     .max_connections_per_address(100)
///     .idle_timeout(None);
/// ```
#[derive(Clone, Debug)]
#[must_use = "limits do nothing until they are given to `LiveBuilder::limits`"]
pub struct Limits {
    pub(crate) max_subscriptions: usize,
    pub(crate) max_message_bytes: usize,
    pub(crate) message_rate: Rate,
    pub(crate) resume_rate: Rate,
    pub(crate) auth_rate: Rate,
    pub(crate) auth_timeout: Option<Duration>,
    pub(crate) max_id_bytes: usize,
    pub(crate) max_key_bytes: usize,
    pub(crate) max_pending_messages: usize,
    pub(crate) max_pending_bytes: usize,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_connections_per_user: Option<usize>,
    pub(crate) max_connections_per_address: Option<usize>,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) authorize_timeout: Duration,
    pub(crate) authorize_wait_timeout: Duration,
    pub(crate) max_concurrent_authorize: Option<usize>,
    pub(crate) stall_timeout: Option<Duration>,
    pub(crate) drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_subscriptions: 128,
            max_message_bytes: 64 * 1024,
            message_rate: Rate::new(100, 1000),
            resume_rate: Rate::new(10, 128),
            auth_rate: Rate::new(1, 10),
            auth_timeout: Some(Duration::from_secs(30)),
            max_id_bytes: 64,
            max_key_bytes: 1024,
            max_pending_messages: 1024,
            max_pending_bytes: 256 * 1024,
            send_buffer_bytes: Some(64 * 1024),
            max_connections: None,
            max_connections_per_user: None,
            max_connections_per_address: None,
            ping_interval: Some(Duration::from_secs(25)),
            idle_timeout: Some(Duration::from_secs(50)),
            handshake_timeout: Duration::from_secs(10),
            authorize_timeout: Duration::from_secs(10),
            authorize_wait_timeout: Duration::from_secs(30),
            max_concurrent_authorize: Some(4),
            stall_timeout: Some(Duration::from_secs(10)),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Sets the maximum number of subscriptions of one connection. Default: 128. Subscriptions
    /// beyond the limit are refused with error 429.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.max_subscriptions = subscriptions;
        self
    }

    /// Sets the maximum size of a message from a client, in bytes. Default: 65,536. A larger
    /// message closes the connection with 1009.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets how many messages a connection may send: `per_second` on average, and `burst` (at least
    /// 1) at once after a pause. Default: 100 and 1,000. Further messages are refused with error
    /// 429. After ten refused bursts the connection is closed with 4429.
    pub fn message_rate(mut self, per_second: u32, burst: u32) -> Self {
        self.message_rate = Rate::new(per_second, burst);
        self
    }

    /// Sets how many requests with `since` a connection may send: `per_second` on average, and
    /// `burst` (at least 1) at once after a pause. Default: 10 and 128. Further requests are
    /// refused with error 429.
    pub fn resume_rate(mut self, per_second: u32, burst: u32) -> Self {
        self.resume_rate = Rate::new(per_second, burst);
        self
    }

    /// Sets how many tokens a connection may send with `auth`: `per_second` on average, and `burst`
    /// (at least 1) at once after a pause. Default: 1 and 10. Further ones are refused with error
    /// 429.
    pub fn auth_rate(mut self, per_second: u32, burst: u32) -> Self {
        self.auth_rate = Rate::new(per_second, burst);
        self
    }

    /// Sets how long a connection [without a user](crate::Handshake::without_user) may take to
    /// authenticate. Default: 30 s. After that, it is closed with 4401. `None` or zero disables the
    /// limit.
    pub fn auth_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.auth_timeout = non_zero(timeout);
        self
    }

    /// Sets the maximum length of the `id` of a request, in bytes. Default: 64. A request with a
    /// longer `id` is refused with error 400.
    pub fn max_id_bytes(mut self, bytes: usize) -> Self {
        self.max_id_bytes = bytes;
        self
    }

    /// Sets the maximum length of the texts in the value of a group's key, such as
    /// `{"owner":"..."}`, in bytes, together. Default: 1,024. A request with longer texts is
    /// refused with error 400.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.max_key_bytes = bytes;
        self
    }

    /// Sets the maximum number of broadcasts that are queued for one client. Default: 1,024.
    ///
    /// If a client exceeds the limit, its broadcasts are dropped. When it accepts data again, the
    /// server replays what it missed: one message for each row of each group, in portions of at
    /// most half of this limit and of [`max_pending_bytes`](Self::max_pending_bytes). If the
    /// [history](crate::LiveBuilder::replay_capacity) does not reach back, the client receives a
    /// reset; the third one within a minute closes the connection with 4508.
    ///
    /// Answers to requests are counted separately, with the same limit. If they exceed it, the
    /// connection is closed with 4508.
    pub fn max_pending_messages(mut self, messages: usize) -> Self {
        self.max_pending_messages = messages;
        self
    }

    /// Sets the maximum number of bytes that are queued for one client. Default: 262,144. If a
    /// client exceeds the limit, its broadcasts are dropped and replayed later: see
    /// [`max_pending_messages`](Self::max_pending_messages). A single message that is larger than
    /// the limit is still sent.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.max_pending_bytes = bytes;
        self
    }

    /// Sets the size of the TCP send buffer of a connection (`SO_SNDBUF`), in bytes. Default:
    /// 65,536. Linux doubles the value. `None` or zero keeps the system's default.
    ///
    /// Data in this buffer does not count as queued. The server detects a client that reads nothing
    /// only when this buffer and the client's receive buffer are full. With the system's default,
    /// that can take several megabytes.
    pub fn send_buffer_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.send_buffer_bytes = bytes.into().filter(|bytes| *bytes > 0);
        self
    }

    /// Sets the maximum number of connections of this server. Default: no limit. Connections beyond
    /// the limit are closed with 4429 right after the upgrade. A connection counts until its socket
    /// is closed.
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections = connections.into();
        self
    }

    /// Sets the maximum number of connections of one user. Default: no limit. Connections beyond
    /// the limit are closed with 4429.
    ///
    /// This limit needs [`LiveBuilder::user_key`](crate::LiveBuilder::user_key), which determines
    /// the connections that belong to one user.
    pub fn max_connections_per_user(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections_per_user = connections.into();
        self
    }

    /// Sets the maximum number of connections from one IPv4 address or one IPv6 /64 network.
    /// Default: no limit. Connections beyond the limit are closed with 4429.
    ///
    /// The address is that of the TCP peer. Behind a reverse proxy it is the address of the proxy:
    /// set the limit in the proxy instead. Connections without an address, such as those of a Unix
    /// socket, are not counted.
    pub fn max_connections_per_address(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections_per_address = connections.into();
        self
    }

    /// Sets the time between two pings to a client. Default: 25 s; `None` or zero sends no pings.
    ///
    /// A client that only listens sends nothing except its pongs. Without pings, its connection is
    /// closed after [`idle_timeout`](Self::idle_timeout), unless that is also `None`.
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.ping_interval = non_zero(interval);
        self
    }

    /// Sets how long a client may send nothing, not even a pong. Default: 50 s, which is two ping
    /// intervals. After that, the connection is closed with 4408. `None` or zero disables the
    /// limit.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = non_zero(timeout);
        self
    }

    /// Sets how long the upgrade to a websocket may take. Default: 10 s. After that, the connection
    /// is dropped.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how many calls of `authorize` may run at the same time, over all connections. Default:
    /// 4. Further requests wait in the order of their arrival; `None` disables the limit.
    ///
    /// A connection has at most one request that runs or waits. So clients that send many requests
    /// do not delay the others. The query for the row of a `retrieve` (0.7) counts as a call, and
    /// so does a token that [`authenticate`](crate::LiveBuilder::authenticate) checks.
    /// Groups whose serializers have no `authorize` do not wait. [`Live::reauthorize`] overtakes
    /// the requests that wait.
    ///
    /// `authorize` usually takes a connection of the application's pool. When all clients reconnect
    /// at once, this limit leaves the other connections of the pool to the rest of the application.
    /// The default suits sqlx's default pool of 10 connections: rest-live also uses up to 4 to read
    /// rows again. Set a larger limit for a larger pool, for a pool that only
    /// [`session_db`](crate::LiveBuilder::session_db) uses, or for an `authorize` that does not use
    /// the database but waits for another service.
    ///
    /// [`Live::reauthorize`]: crate::Live::reauthorize
    pub fn max_concurrent_authorize(mut self, calls: impl Into<Option<usize>>) -> Self {
        self.max_concurrent_authorize = calls.into();
        self
    }

    /// Sets how long a request may wait for
    /// [`max_concurrent_authorize`](Self::max_concurrent_authorize). Default: 30 s. After that, the
    /// request is refused with error 503, and the client may try again.
    pub fn authorize_wait_timeout(mut self, timeout: Duration) -> Self {
        self.authorize_wait_timeout = timeout;
        self
    }

    /// Sets how long one call of an `authorize` or of
    /// [`authenticate`](crate::LiveBuilder::authenticate), or the query for one row, may take, from
    /// when the call begins. Default: 10 s. After that, the request is refused with error 503.
    pub fn authorize_timeout(mut self, timeout: Duration) -> Self {
        self.authorize_timeout = timeout;
        self
    }

    /// Sets how long a client may accept no data while messages are queued for it. Default: 10 s;
    /// `None` or zero disables the limit.
    ///
    /// After that, the connection is closed with 4508, and its queue is dropped. If the client does
    /// not accept the close frame, or does not answer it, the connection is dropped after the same
    /// time again.
    pub fn stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.stall_timeout = non_zero(timeout);
        self
    }

    /// Sets how long [`Live::shutdown`](crate::Live::shutdown) waits for the clients. Default:
    /// 10 s. After that, the server drops their connections.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}

/// Treats zero like `None`: with a time of zero, the server would ping or close all the time.
fn non_zero(time: impl Into<Option<Duration>>) -> Option<Duration> {
    time.into().filter(|time| !time.is_zero())
}

/// Maximum rate of one kind of message: the parameters of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many are allowed per second, on average.
    pub(crate) per_second: u32,
    /// How many are allowed at once after a pause; at least 1.
    pub(crate) burst: u32,
}

impl Rate {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}
