//! Connections to the server: one that is opened anew where it broke, and one that is not.

use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;

/// How long a connection may take to be made, from the name of the host to the choice of the database.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection, as long as it lasts.
#[derive(Clone)]
pub(crate) struct Connection(MultiplexedConnection);

impl Connection {
    pub(crate) async fn open(client: &Client) -> RedisResult<Self> {
        // Each question says how long it waits: the library's own half second is less than a blocking read.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let open = client.get_multiplexed_async_connection_with_config(&config);
        within(CONNECT, open).await.map(Self)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, question: &Cmd) -> RedisResult<T> {
        self.ask_within(ANSWER, question).await
    }

    /// Asks, and waits so long for the answer.
    pub(crate) async fn ask_within<T: FromRedisValue>(
        &mut self,
        patience: Duration,
        question: &Cmd,
    ) -> RedisResult<T> {
        within(patience, question.query_async(&mut self.0)).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// A connection that is opened when it is needed, and again when it broke. What is asked on it may be asked twice.
#[derive(Debug)]
pub(crate) struct Line {
    client: Client,
    open: Mutex<Option<Connection>>,
}

impl Line {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            open: Mutex::default(),
        }
    }

    /// Asks on the open connection, and on a new one if that one is broken.
    pub(crate) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> RedisResult<T> {
        let open = self.open().clone();
        if let Some(mut connection) = open {
            match connection.ask(question).await {
                Err(error) if is_broken(&error) => *self.open() = None,
                answer => return self.look_at(answer),
            }
        }
        let mut connection = Connection::open(&self.client).await?;
        *self.open() = Some(connection.clone());
        let answer = connection.ask(question).await;
        self.look_at(answer)
    }

    /// Does not go on with a connection that an error came from: after a failover, another server may be the right one.
    fn look_at<T>(&self, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.is_err() {
            *self.open() = None;
        }
        answer
    }

    fn open(&self) -> MutexGuard<'_, Option<Connection>> {
        // Nothing panics while it is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a connection had ended, perhaps long ago; a server that does not answer in time would not on another.
fn is_broken(error: &RedisError) -> bool {
    (error.is_io_error() || error.is_connection_dropped()) && !error.is_timeout()
}
