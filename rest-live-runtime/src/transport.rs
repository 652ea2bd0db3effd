//! Runs one session over one websocket, whatever carries it.
//!
//! A transport does the HTTP upgrade and hands over the byte stream. The protocol (masking,
//! fragments, UTF-8, limits, ping, close) is tungstenite's; when to read, write and end is ours.
//! A TCP connection is written to by its session's shard; any other stream by a task of its own.

mod stream;
pub(crate) mod tasks;
mod tcp;
mod websocket;

use std::{any::Any, fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use self::tasks::ConnectionTasks;
use crate::session::Session;

/// A byte stream that was upgraded to a websocket.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// What a websocket is served on, made of any byte stream.
pub struct Socket(Carrier);

enum Carrier {
    /// A TCP connection with nothing around it: the fast way. It is written to as
    /// [`Limits::send_buffer`](crate::Limits::send_buffer_bytes) says, without Nagle's delay.
    Tcp(TcpStream),
    /// Anything else: a Unix socket, TLS. Nagle's delay is up to the application.
    Other(Box<dyn Io>),
}

impl<S: Io> From<S> for Socket {
    /// Takes a stream. A [`TcpStream`] is served the fast way; one that has something around it is not.
    fn from(io: S) -> Self {
        let mut io = Some(io);
        let tcp = (&mut io as &mut dyn Any).downcast_mut::<Option<TcpStream>>();
        if let Some(stream) = tcp.and_then(Option::take) {
            return Self(Carrier::Tcp(stream));
        }
        let io = io.expect("it is no TCP connection, so that nobody took it");
        Self(Carrier::Other(Box::new(io)))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Carrier::Tcp(_) => "Socket(TCP)",
            Carrier::Other(_) => "Socket(other)",
        })
    }
}

/// Serves a client once `upgrade` has yielded its byte stream; `begin` creates the session then. An
/// upgrade that takes longer than `handshake_timeout` is dropped.
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
            // A task of its own: this one has grown by what an upgrade needs.
            Some(Ok(Ok((io, early)))) => serve(io.into(), early, begin(), &tasks),
            Some(Ok(Err(error))) => tracing::debug!(%error, "a connection could not be upgraded"),
            Some(Err(_)) => tracing::debug!("a connection took too long to upgrade"),
            None => {}
        }
    });
}

/// Serves a session in a task of its own, until either side ends it. `early` is what the client sent
/// directly after its handshake.
fn serve(socket: Socket, early: Vec<u8>, session: Session, connections: &ConnectionTasks) {
    match socket.0 {
        Carrier::Tcp(stream) => match tcp::Connection::new(stream, early, session, connections) {
            Ok(connection) => connections.spawn(connection),
            Err(error) => tracing::debug!(%error, "a connection was lost before it was served"),
        },
        Carrier::Other(io) => {
            let served = stream::serve(io, early, session);
            let tasks = connections.clone();
            connections.spawn(async move { _ = tasks.until_aborted(served).await });
        }
    }
}
