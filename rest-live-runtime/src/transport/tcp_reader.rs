//! Reads from the TCP connection of a session. The shard of the session writes to it.
//!
//! The reading task is most of the memory of a connection. So it is a hand-written future, and
//! state that only some connections need is boxed.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};

use super::{
    tasks::ConnectionTasks,
    websocket::{Incoming, WebsocketReader},
};
use crate::{
    hub::clients::socket::{SharedSocket, SocketState},
    protocol::code::CloseCode,
    session::Session,
    user_code,
};

/// Maximum number of bytes in one read.
const READ_BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    /// Data is parsed directly after a read, so that the connections of a thread can share a
    /// buffer.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER_BYTES]);
}

/// The task of a connection. It completes when the connection is over.
pub(crate) struct Connection {
    socket: Arc<SharedSocket>,
    connections: ConnectionTasks,
    phase: Phase,
}

#[allow(clippy::large_enum_variant, reason = "nearly all are the large one")]
enum Phase {
    Open(Reader),
    /// The close frame is written. What the client still sends is read and dropped.
    Lingering(Pin<Box<dyn Future<Output = ()> + Send>>),
}

struct Reader {
    session: Arc<Session>,
    websocket: WebsocketReader,
    /// The client's last request, while it is executed, which takes as long as the application's
    /// `authorize`. Nothing more is read until it is complete; everything else continues.
    request: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether the connection is being closed, so that no more requests are read.
    is_closing: bool,
}

impl Connection {
    /// Attaches a connection to its session. `early` is what the client sent directly after its
    /// handshake.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn new(
        stream: TcpStream,
        early: Vec<u8>,
        session: Session,
        connections: &ConnectionTasks,
    ) -> io::Result<Self> {
        let socket = Arc::new(SharedSocket::new(
            stream,
            session.limits().send_buffer_bytes,
        )?);
        session.attach(Arc::clone(&socket));
        Ok(Self {
            socket,
            connections: connections.clone(),
            phase: Phase::Open(Reader {
                websocket: WebsocketReader::new(session.limits(), early),
                // A connection over a limit is closed without reading requests.
                is_closing: session.permit().is_none(),
                session: Arc::new(session),
                request: None,
            }),
        })
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self {
            socket,
            connections,
            phase,
        } = &mut *self;
        if let Phase::Open(reader) = phase {
            let end = ready!(reader.poll_end(socket, context));
            // The client receives nothing more; what it still sends is read only to complete the
            // close. Its permit counts until then. A connection that was over a limit has no permit
            // and is dropped at once.
            let (permit, stall) = (
                reader.session.permit(),
                reader.session.limits().stall_timeout,
            );
            let stall = stall.unwrap_or(Duration::MAX);
            let (true, Some(permit)) = (end == SocketState::Closed, permit) else {
                return Poll::Ready(());
            };
            let socket = Arc::clone(socket);
            let linger = async move {
                _ = timeout(stall, linger(&socket)).await;
                drop(permit);
            };
            let tasks = connections.clone();
            *phase = Phase::Lingering(Box::pin(async move {
                _ = tasks.until_aborted(linger).await;
            }));
        }
        match phase {
            Phase::Open(_) => Poll::Ready(()),
            Phase::Lingering(linger) => linger.as_mut().poll(context),
        }
    }
}

impl Reader {
    /// Reads and executes requests until the connection is closed or lost.
    fn poll_end(
        &mut self,
        socket: &Arc<SharedSocket>,
        context: &mut Context<'_>,
    ) -> Poll<SocketState> {
        let span = self.session.span().clone();
        let _entered = span.enter();
        loop {
            match user_code::call(|| self.poll_step(socket, context)) {
                Ok(step) => {
                    if let Err(end) = ready!(step) {
                        return Poll::Ready(end);
                    }
                }
                Err(_) if self.is_closing => return Poll::Ready(SocketState::Lost),
                Err(panicked) => {
                    tracing::error!(%panicked, "a connection panicked: it is closed with 1011");
                    self.is_closing = true;
                    self.request = None;
                    socket.set_busy(false);
                    self.session.close(CloseCode::Internal);
                }
            }
        }
    }

    fn poll_step(
        &mut self,
        socket: &Arc<SharedSocket>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SocketState>> {
        // Before the state is read, so that no change of it is missed.
        socket.watch(context);
        if let Some(request) = &mut self.request
            && request.as_mut().poll(context).is_ready()
        {
            self.request = None;
            socket.set_busy(false);
        }
        match socket.state() {
            end @ (SocketState::Closed | SocketState::Lost) => return Poll::Ready(Err(end)),
            SocketState::Blocked => {
                let writable = ready!(socket.poll_writable(context));
                self.session.writable();
                return Poll::Ready(writable.map_err(|_| SocketState::Lost));
            }
            SocketState::Open => {}
        }
        if self.is_closing || self.request.is_some() || socket.owes() {
            return Poll::Pending;
        }
        if self.websocket.may_have_message() {
            let mut answers = Vec::new();
            let incoming = self.websocket.next(&mut answers);
            self.process(incoming, answers, socket);
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match ready!(socket.poll_readable(context)) {
            Ok(()) => self.read(socket),
            Err(_) => Err(SocketState::Lost),
        })
    }

    fn read(&mut self, socket: &Arc<SharedSocket>) -> Result<(), SocketState> {
        BUFFER.with_borrow_mut(|buffer| match socket.stream().try_read(buffer) {
            Ok(0) => Err(SocketState::Lost),
            Ok(count) => {
                socket.set_received();
                let mut answers = Vec::new();
                let incoming = self.websocket.feed(&buffer[..count], &mut answers);
                self.process(incoming, answers, socket);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(SocketState::Lost),
        })
    }

    /// Queues the answers of the protocol, then starts the request of the client.
    fn process(&mut self, incoming: Incoming, answers: Vec<u8>, socket: &SharedSocket) {
        if let Incoming::Close = incoming {
            self.is_closing = true;
            return self.session.closed_by_client(answers.into());
        }
        if !answers.is_empty() {
            self.session.pong(answers.into());
        }
        match incoming {
            Incoming::Text(text) => {
                socket.set_busy(true);
                let session = Arc::clone(&self.session);
                self.request = Some(Box::pin(async move { session.receive(&text).await }));
            }
            Incoming::Violation(code) => {
                self.is_closing = true;
                self.session.close(code);
            }
            Incoming::Lost => socket.set_state(SocketState::Lost),
            Incoming::Incomplete | Incoming::Close => {}
        }
    }
}

/// Ends the server's direction and reads until the client ends its own. A TCP connection that is
/// closed with unread bytes is reset, and the reset can overtake the close frame (RFC 6455,
/// section 7.1.1).
async fn linger(socket: &SharedSocket) {
    if socket.shut_down().is_err() {
        return;
    }
    while poll_fn(|context| socket.poll_readable(context))
        .await
        .is_ok()
    {
        let read = BUFFER.with_borrow_mut(|buffer| socket.stream().try_read(buffer));
        match read {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
