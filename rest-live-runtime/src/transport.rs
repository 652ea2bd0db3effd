//! Serves one session on one websocket, over a TCP connection or any other byte stream.
//!
//! The HTTP side, such as `rest-live-warp`, performs the upgrade and passes the byte stream to
//! [`Live::accept`](crate::Live::accept). tungstenite implements the protocol: masking, fragments,
//! UTF-8, limits, ping and close. This module decides when to read, write and close. A TCP
//! connection is written to by the shard of its session, any other stream by its own task.

pub(crate) mod refusal;
mod stream;
pub(crate) mod tasks;
mod tcp_reader;
mod websocket;

use std::{any::Any, fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use self::tasks::ConnectionTasks;
use crate::session::Session;

/// Maximum number of bytes in one read of what is dropped.
const LINGER_BUFFER_BYTES: usize = 4 * 1024;

/// A byte stream that was upgraded to a websocket. Every type with these bounds implements the
/// trait.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// The byte stream of a websocket. It is created from any [`Io`] with `From`.
///
/// A plain [`TcpStream`] is served on a fast path: the server writes to many connections in one
/// task, sets `TCP_NODELAY`, and applies
/// [`Limits::send_buffer_bytes`](crate::Limits::send_buffer_bytes). For any other stream, such as
/// TLS or a Unix socket, the server uses one task for each connection, and sets no socket options.
pub struct Socket(SocketKind);

enum SocketKind {
    Tcp(TcpStream),
    Other(Box<dyn Io>),
}

impl<S: Io> From<S> for Socket {
    /// Wraps a stream. Only a plain [`TcpStream`] is served on the fast path, not one inside a
    /// wrapper.
    fn from(io: S) -> Self {
        let mut io = Some(io);
        let tcp = (&mut io as &mut dyn Any).downcast_mut::<Option<TcpStream>>();
        if let Some(stream) = tcp.and_then(Option::take) {
            return Self(SocketKind::Tcp(stream));
        }
        let io = io.expect("only a TCP connection is taken above");
        Self(SocketKind::Other(Box::new(io)))
    }
}

impl Socket {
    /// Returns the stream without the fast path.
    fn into_io(self) -> Box<dyn Io> {
        match self.0 {
            SocketKind::Tcp(stream) => Box::new(stream),
            SocketKind::Other(io) => io,
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            SocketKind::Tcp(_) => "Socket(TCP)",
            SocketKind::Other(_) => "Socket(other)",
        })
    }
}

/// Serves a client after `upgrade` has yielded its byte stream; `begin` then creates the session.
/// If the upgrade takes longer than `handshake_timeout`, it is dropped.
pub(crate) fn accept<S: Into<Socket>>(
    connections: &ConnectionTasks,
    upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    begin: impl FnOnce() -> Session + Send + 'static,
    handshake_timeout: Duration,
) {
    let tasks = connections.clone();
    connections.spawn(async move {
        let upgrade = timeout(handshake_timeout, upgrade);
        match tasks.until_aborted(upgrade).await {
            // In a new task, because this one keeps the memory of the upgrade.
            Some(Ok(Ok((io, early)))) => serve(io.into(), early, begin(), &tasks),
            Some(Ok(Err(error))) => {
                tracing::debug!(
                    %error,
                    "the upgrade to a websocket failed: the connection is dropped"
                );
            }
            Some(Err(_)) => {
                tracing::debug!(
                    "the upgrade to a websocket exceeded handshake_timeout: the connection is dropped"
                );
            }
            None => {}
        }
    });
}

/// Ends the server's direction and reads until the client ends its own. A TCP connection that is
/// closed with unread bytes is reset, and the reset can overtake the close frame (RFC 6455, section
/// 7.1.1).
async fn linger(io: &mut dyn Io) {
    if io.shutdown().await.is_ok() {
        let mut scratch = [0; LINGER_BUFFER_BYTES];
        while let Ok(1..) = io.read(&mut scratch).await {}
    }
}

/// Serves a session in a task of its own, until either side ends it. `early` is what the client
/// sent directly after its handshake.
fn serve(socket: Socket, early: Vec<u8>, session: Session, connections: &ConnectionTasks) {
    match socket.0 {
        SocketKind::Tcp(stream) => {
            session.check_listener(&stream);
            match tcp_reader::Connection::new(stream, early, session, connections) {
                Ok(connection) => connections.spawn(connection),
                Err(error) => {
                    tracing::debug!(%error, "a connection was lost right after its upgrade");
                }
            }
        }
        SocketKind::Other(io) => {
            let served = stream::serve(io, early, session);
            let tasks = connections.clone();
            connections.spawn(async move { _ = tasks.until_aborted(served).await });
        }
    }
}
