//! A connection that is opened again where it broke.

use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{Client, Cmd, FromRedisValue, RedisError, RedisResult};

use crate::connection::Connection;

/// A connection that is opened when it is needed, and again when it broke. What is asked on it may be asked twice.
#[derive(Debug)]
pub(crate) struct ReconnectingConnection {
    client: Client,
    current: Mutex<Option<Connection>>,
}

impl ReconnectingConnection {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            current: Mutex::default(),
        }
    }

    /// Asks on the open connection, and on a new one if that one is broken.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let current = self.current().clone();
        if let Some(mut connection) = current {
            match connection.query(command).await {
                Err(error) if is_broken(&error) => *self.current() = None,
                reply => return self.close_on_error(reply),
            }
        }
        let mut connection = Connection::open(&self.client).await?;
        *self.current() = Some(connection.clone());
        let reply = connection.query(command).await;
        self.close_on_error(reply)
    }

    /// Does not go on with a connection that an error came from: after a failover, another server may be the right one.
    fn close_on_error<T>(&self, reply: RedisResult<T>) -> RedisResult<T> {
        if reply.is_err() {
            *self.current() = None;
        }
        reply
    }

    fn current(&self) -> MutexGuard<'_, Option<Connection>> {
        // Nothing panics while it is held.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a connection had ended, perhaps long ago; a server that does not reply in time would not on another.
fn is_broken(error: &RedisError) -> bool {
    (error.is_io_error() || error.is_connection_dropped()) && !error.is_timeout()
}
