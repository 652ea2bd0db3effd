//! The cursor of a response to a write.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Inner, Live};
use crate::data::cursor::Cursor;

/// How long a response to a write waits for its cursor.
const WRITE_CURSOR_TIMEOUT: Duration = Duration::from_secs(1);

impl<U: Send + Sync + 'static> Live<U> {
    /// Returns a cursor at or after every event of the writes that have returned on this server,
    /// also in other tasks. Call it after a request has committed its writes. Returns `None` if
    /// the cursor is not known within one second, for example because the event log cannot be
    /// reached.
    ///
    /// Transports send the cursor as the `Live-Cursor` header of the response to POST, PUT, PATCH
    /// or DELETE. A client of v1 sends it in a `sync` request, to any server that shares the log.
    /// When it receives `synced`, it has received the changes of its request. Do not subscribe
    /// with this cursor as `since`: a client that has not received everything before it would miss
    /// changes.
    ///
    /// These writes count:
    /// * Writes and commits on [`db`](Self::db) that have returned. A write whose future was
    ///   dropped may still run, and is not included.
    /// * Writes of rows that several requests changed at the same time. Such a row is read again,
    ///   and the method waits until its event is in the log.
    /// * With an event log in the database, also the events of triggers.
    ///
    /// After [`capture_plain_connections`](Self::capture_plain_connections), the result is also
    /// `None` while a write on a plain connection is not published.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub fn cursor_after_writes(
        &self,
    ) -> impl Future<Output = Option<Cursor>> + Send + 'static + use<U> {
        let inner = Arc::clone(&self.inner);
        async move {
            let cursor = timeout(WRITE_CURSOR_TIMEOUT, inner.cursor_after_writes());
            cursor.await.ok().flatten()
        }
    }
}

impl Inner {
    async fn cursor_after_writes(&self) -> Option<Cursor> {
        if let Some(sink) = self.plain_sink.get()
            && sink.has_pending()
        {
            return None;
        }
        self.publisher.order.late_appends().await;
        let context = &self.context;
        if let Some(head) = context.log.known_head() {
            return Some(head);
        }
        context.appended.answer(context.log.appended()).await
    }
}
