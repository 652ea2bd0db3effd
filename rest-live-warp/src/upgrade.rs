//! From hyper's upgraded connection to the bytes that a session is served on.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use rest_live_runtime::{Handshake, Io, Live};
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
            // `warp::serve` on TCP. Without TCP_NODELAY the second of two frames that follow each
            // other waits for the client's delayed acknowledgement, 40 ms.
            Ok(parts) => {
                let stream = parts.io.into_inner();
                stream.set_nodelay(true)?;
                (Box::new(stream) as Box<dyn Io>, parts.read_buf.to_vec())
            }
            // A Unix socket, or the application's own TLS. What was read ahead is in there.
            Err(upgraded) => {
                tracing::debug!("not a plain TCP stream: TCP_NODELAY is up to the application");
                (Box::new(TokioIo::new(upgraded)) as Box<dyn Io>, Vec::new())
            }
        })
    });
}
