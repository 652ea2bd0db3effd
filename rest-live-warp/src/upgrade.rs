//! From hyper's upgraded connection to the bytes that a session is served on.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use rest_live_runtime::{Handshake, Live, Socket};
use tokio::net::TcpStream;

/// Serves the connection once hyper has let go of it.
pub(crate) fn accept<U: Send + Sync + 'static>(
    live: &Live<U>,
    handshake: Handshake<U>,
    upgrade: OnUpgrade,
) {
    live.accept(handshake, async move {
        let upgraded = upgrade.await.map_err(io::Error::other)?;
        Ok(match downcast::<TokioIo<TcpStream>>(upgraded) {
            // `warp::serve` on TCP. hyper's buffer stays behind, or each connection would weigh 8 KiB more.
            Ok(parts) => (Socket::from(parts.io.into_inner()), parts.read_buf.to_vec()),
            // A Unix socket, or the application's own TLS. What was read ahead is in there.
            Err(upgraded) => {
                tracing::debug!("not a plain TCP stream: it is served the slow way");
                (Socket::from(TokioIo::new(upgraded)), Vec::new())
            }
        })
    });
}
