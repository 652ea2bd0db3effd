//! A connection that is opened again where it broke.

use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{Client, Cmd, FromRedisValue, RedisError, RedisResult};

use crate::connection::Connection;

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
