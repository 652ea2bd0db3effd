//! A connection that is reopened after it breaks.

use parking_lot::{Mutex, MutexGuard};
use redis::{Client, Cmd, FromRedisValue, RedisError, RedisResult};

use crate::connection::Connection;

/// A connection that is opened when it is first needed, and reopened after it breaks. A command may
/// be sent twice.
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

    /// Sends a command on the open connection, or on a new one if that connection is broken.
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

    /// Closes the connection after an error. After a failover, another server may be the right one.
    fn close_on_error<T>(&self, reply: RedisResult<T>) -> RedisResult<T> {
        if reply.is_err() {
            *self.current() = None;
        }
        reply
    }

    fn current(&self) -> MutexGuard<'_, Option<Connection>> {
        self.current.lock()
    }
}

/// Returns whether the connection has ended, perhaps long ago. A timeout does not count: a server
/// that does not reply in time would not reply on another connection.
fn is_broken(error: &RedisError) -> bool {
    (error.is_io_error() || error.is_connection_dropped()) && !error.is_timeout()
}
