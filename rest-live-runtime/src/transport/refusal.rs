//! Closes a connection whose user could not sign in.
//!
//! Browsers hide the HTTP status of a refused websocket from the page. So the websocket is opened,
//! and closed at once with a code that the page can read. There is no session.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, time::timeout};

use super::{Io, Socket, linger, tasks::ConnectionTasks};
use crate::{
    protocol::{code::CloseCode, frame::close_frame},
    session::connection_limiter::ConnectionPermit,
};

/// How long a client may take to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Closes a connection with `code` after `upgrade` has yielded its byte stream. If `admit` returns
/// no permit, it is closed with 4429 and without waiting for the client.
pub(crate) fn refuse<S: Into<Socket>>(
    connections: &ConnectionTasks,
    upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    admit: impl FnOnce() -> Option<ConnectionPermit> + Send + 'static,
    code: CloseCode,
    handshake_timeout: Duration,
) {
    let tasks = connections.clone();
    connections.spawn(async move {
        let close = async {
            let Ok(Ok((io, _))) = timeout(handshake_timeout, upgrade).await else {
                return;
            };
            tracing::debug!(
                code = code.code_and_reason().0,
                "a user could not sign in: the connection is closed"
            );
            let permit = admit();
            let code = permit.as_ref().map_or(CloseCode::TooMany, |_| code);
            let mut io = io.into().into_io();
            let closed = close(&mut *io, code, permit.is_some());
            _ = timeout(CLOSE_TIMEOUT, closed).await;
        };
        tasks.until_aborted(close).await;
    });
}

async fn close(io: &mut dyn Io, code: CloseCode, lingers: bool) -> io::Result<()> {
    io.write_all(&close_frame(code)).await?;
    io.flush().await?;
    if lingers {
        linger(io).await;
    }
    Ok(())
}
