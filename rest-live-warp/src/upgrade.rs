//! Turns hyper's upgraded connection into the socket on which a session is served.

use std::{io, net::IpAddr};

use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use rest_live_runtime::{CloseCode, Handshake, Live, Socket};
use tokio::net::TcpStream;

/// Serves the connection once hyper has released it.
pub(crate) fn accept<U: Send + Sync + 'static>(
    live: &Live<U>,
    handshake: Handshake<U>,
    upgrade: OnUpgrade,
) {
    live.accept(handshake, socket(upgrade));
}

/// Closes the connection once hyper has released it.
pub(crate) fn refuse<U: Send + Sync + 'static>(
    live: &Live<U>,
    code: CloseCode,
    address: Option<IpAddr>,
    upgrade: OnUpgrade,
) {
    live.refuse(code, address, socket(upgrade));
}

/// Waits for the connection. Returns its stream, and the bytes that hyper has read ahead.
async fn socket(upgrade: OnUpgrade) -> io::Result<(Socket, Vec<u8>)> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    Ok(match downcast::<TokioIo<TcpStream>>(upgraded) {
        // `warp::serve` on TCP. hyper's buffer is dropped here; it would add 8 KiB to each
        // connection.
        Ok(parts) => (Socket::from(parts.io.into_inner()), parts.read_buf.to_vec()),
        // A Unix socket, or the application's own TLS. hyper's buffer holds the bytes that it has
        // read ahead, so the connection keeps it.
        Err(upgraded) => {
            tracing::debug!(
                "the connection is not a plain TCP stream: the server uses one task for it, and sets no socket options"
            );
            (Socket::from(TokioIo::new(upgraded)), Vec::new())
        }
    })
}
