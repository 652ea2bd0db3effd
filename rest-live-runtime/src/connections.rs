//! The tasks of the connections of one `Live`: counted, waited for, and ended.

use std::io;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    session::Session,
    websocket::{self, Socket},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    tasks: TaskTracker,
    /// Cancelled when they are to end at once.
    abort: CancellationToken,
}

impl Connections {
    /// Serves a client once its connection is upgraded. `begin` begins the session then.
    pub(crate) fn accept<S: Into<Socket>>(
        &self,
        upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
        begin: impl FnOnce() -> Session + Send + 'static,
        patience: std::time::Duration,
    ) {
        let connections = self.clone();
        self.tasks.spawn(async move {
            let upgrade = timeout(patience, upgrade);
            match connections.abort.run_until_cancelled(upgrade).await {
                // A task of its own: this one has become large with what an upgrade takes.
                Some(Ok(Ok((io, early)))) => {
                    websocket::serve(io.into(), early, begin(), &connections);
                }
                Some(Ok(Err(error))) => {
                    tracing::debug!(%error, "a connection could not be upgraded");
                }
                Some(Err(_)) => tracing::debug!("a connection took too long to upgrade"),
                None => {}
            }
        });
    }

    /// Runs the task of a connection, which ends by itself when its sessions are closed or dropped, and
    /// [`until_aborted`](Self::until_aborted) what does not.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(connection);
    }

    /// Runs a future until connections are to end at once.
    pub(crate) async fn until_aborted(self, future: impl Future<Output = ()>) {
        self.abort.run_until_cancelled(future).await;
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Says that no more are to come.
    pub(crate) fn close(&self) {
        self.tasks.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.tasks.is_closed()
    }

    /// Waits until all have ended, after [`close`](Self::close).
    pub(crate) async fn wait(&self) {
        self.tasks.wait().await;
    }

    /// Has all end at once; the hub drops its sockets.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }
}
