//! A log behind a pointer is a log: for an application that chooses which when it starts.

use std::sync::Arc;

use futures_util::{future::BoxFuture, stream::BoxStream};

use super::{Entry, EventLog, LogError, ReadError, Record, Tail, TransactionalLog};
use crate::cursor::Cursor;

// All that has a default, too: it would say of every log that it is in this process.
impl<T: EventLog + ?Sized> EventLog for Arc<T> {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        (**self).append(events)
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        (**self).tail()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        (**self).head()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        (**self).read(after, limit)
    }

    fn known_head(&self) -> Option<Cursor> {
        (**self).known_head()
    }

    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        (**self).leave()
    }

    fn transactional(&self) -> Option<&dyn TransactionalLog> {
        (**self).transactional()
    }
}
