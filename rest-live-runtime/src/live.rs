//! `Live`: everything of one application, put together.

mod builder;

use std::{fmt, io, sync::Arc};

use tokio::{sync::watch, task::AbortHandle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::builder::{BuildError, LiveBuilder};
use crate::{
    capture::LiveConnection,
    code::CloseCode,
    session::{self, Session},
    websocket::{self, Io},
};

/// The live side of an application: its connection to the database, its log, its clients.
///
/// Cloning is cheap and gives a handle on the same. When the last handle is dropped, every
/// connection is, too; [`shutdown`](Self::shutdown) ends them with a goodbye.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    db: LiveConnection,
    sessions: Arc<session::Shared>,
    dispatcher: AbortHandle,
    progress: watch::Receiver<u64>,
    connections: TaskTracker,
    /// Cancelled when the connections are to end at once.
    abort: CancellationToken,
}

impl Live {
    /// Starts to build a `Live` on a connection.
    pub fn builder(db: sea_orm::DatabaseConnection) -> LiveBuilder {
        LiveBuilder::new(db)
    }

    /// Returns the connection whose writes reach subscribers. Use it where the
    /// `DatabaseConnection` was used.
    pub fn db(&self) -> LiveConnection {
        self.inner.db.clone()
    }

    /// Begins a session of a client, for transports and tests.
    pub fn connect(&self) -> Session {
        Session::new(Arc::clone(&self.inner.sessions))
    }

    /// Serves a client whose connection is being upgraded to a websocket, in a task of its own.
    /// `upgrade` yields the byte stream and what the client sent right behind its handshake; it may
    /// take as long as [`Limits::handshake`](crate::Limits::handshake).
    ///
    /// For transports: the HTTP side of the handshake (RFC 6455, section 4) is theirs.
    pub fn accept<S: Io>(
        &self,
        upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    ) {
        let session = self.connect();
        let handshake = session.limits().handshake;
        let connection = async move {
            match time::timeout(handshake, upgrade).await {
                Ok(Ok((io, early))) => websocket::serve(io, early, session).await,
                Ok(Err(error)) => tracing::debug!(%error, "a connection could not be upgraded"),
                Err(_) => tracing::debug!("a connection took too long to upgrade"),
            }
        };
        let abort = self.inner.abort.clone();
        self.inner
            .connections
            .spawn(async move { abort.run_until_cancelled(connection).await });
    }

    /// Returns how many connections are being served, or ended, right now.
    pub fn connections(&self) -> usize {
        self.inner.connections.len()
    }

    /// Returns whether [`shutdown`](Self::shutdown) was called: a new session would be closed at once.
    pub fn is_closed(&self) -> bool {
        self.inner.connections.is_closed()
    }

    /// Ends every session, now and from now on: each client gets what was written before and the
    /// close code 1001. Returns when the connections are gone, at the latest after
    /// [`Limits::drain`](crate::Limits::drain), when those that are left are dropped.
    ///
    /// Writes go on to work. Call it before the HTTP server stops.
    ///
    /// # Cancel safety
    /// New sessions are refused in any case; a dropped future may leave the others open.
    pub async fn shutdown(&self) {
        let Inner {
            sessions,
            connections,
            abort,
            ..
        } = &*self.inner;
        connections.close();
        let drained = time::timeout(sessions.limits.drain, async {
            self.dispatched().await;
            sessions.hub.close(CloseCode::GoingAway);
            connections.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "clients did not answer the close in time: they are dropped"
            );
            sessions.hub.close(CloseCode::GoingAway);
            abort.cancel();
            connections.wait().await;
        }
    }

    /// Waits until everything in the log is with the sessions.
    async fn dispatched(&self) {
        if let Ok(head) = self.inner.sessions.log.head().await {
            // An error is a dispatcher that ended: nothing more will come.
            _ = self
                .inner
                .progress
                .clone()
                .wait_for(|position| *position >= head.position)
                .await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.abort.cancel();
        self.dispatcher.abort();
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("registry", &self.inner.sessions.registry)
            .finish_non_exhaustive()
    }
}
