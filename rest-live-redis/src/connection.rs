//! One connection to the server.

use std::{fmt, io, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult, aio::MultiplexedConnection,
};
use tokio::time::timeout;

/// How long a connection may take to be made, from the name of the host to the choice of the database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection, as long as it lasts.
#[derive(Clone)]
pub(crate) struct Connection(MultiplexedConnection);

impl Connection {
    pub(crate) async fn open(client: &Client) -> RedisResult<Self> {
        // Each command says how long it waits: the library's own half second is less than a blocking read.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let open = client.get_multiplexed_async_connection_with_config(&config);
        with_timeout(CONNECT_TIMEOUT, open).await.map(Self)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        self.query_within(REPLY_TIMEOUT, command).await
    }

    /// Asks, and waits so long for the answer.
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
