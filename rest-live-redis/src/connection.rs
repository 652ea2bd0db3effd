//! One connection to the server.

use std::{fmt, io, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult, aio::MultiplexedConnection,
};
use tokio::time::timeout;

/// How long opening a connection may take, from the DNS query to the selection of the database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the server may take to reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is not reopened once it breaks.
#[derive(Clone)]
pub(crate) struct Connection(MultiplexedConnection);

impl Connection {
    pub(crate) async fn open(client: &Client) -> RedisResult<Self> {
        // Each command sets its own timeout: the library's default of half a second is shorter than
        // a blocking read.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let open = client.get_multiplexed_async_connection_with_config(&config);
        with_timeout(CONNECT_TIMEOUT, open).await.map(Self)
    }

    /// Sends a command and waits up to [`REPLY_TIMEOUT`] for the reply.
    pub(crate) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        self.query_within(REPLY_TIMEOUT, command).await
    }

    /// Sends a command and waits up to `limit` for the reply.
    pub(crate) async fn query_within<T: FromRedisValue>(
        &mut self,
        limit: Duration,
        command: &Cmd,
    ) -> RedisResult<T> {
        with_timeout(limit, command.query_async(&mut self.0)).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

async fn with_timeout<T>(
    limit: Duration,
    reply: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    timeout(limit, reply)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}
