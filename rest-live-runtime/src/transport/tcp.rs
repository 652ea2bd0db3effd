//! The reading half of a session on a TCP connection. The writing half is its shard's.
//!
//! Of what a connection weighs this is the most, so it is a future of its own, with nothing in it that only some need.

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
    websocket::{Incoming, Protocol},
};
use crate::{
    hub::writer::socket::{SharedSocket, SocketState},
    protocol::code::CloseCode,
    session::Session,
    user_code,
};

/// Bytes read at a time.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// What is read is taken in at once: a connection needs no buffer of its own.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Reads from a connection until it is over.
pub(crate) struct Connection {
    wire: Arc<SharedSocket>,
    connections: ConnectionTasks,
    stage: Stage,
}

#[allow(clippy::large_enum_variant, reason = "nearly all are the large one")]
enum Stage {
    Open(Reader),
    /// The close frame is written; what the client still sends is read out.
    Closed(Pin<Box<dyn Future<Output = ()> + Send>>),
}

struct Reader {
    session: Arc<Session>,
    protocol: Protocol,
    /// What the client said last, while it is being carried out. That may take as long as the application's `authorize`:
    /// nothing more is read until then, but all else goes on.
    request: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether it is closing: nothing more is read.
    has_heard_enough: bool,
}

impl Connection {
    /// Begins to serve a session. `early` is what the client sent right behind its handshake.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) fn new(
        stream: TcpStream,
        early: Vec<u8>,
        session: Session,
        connections: &ConnectionTasks,
    ) -> io::Result<Self> {
        let wire = Arc::new(SharedSocket::new(
            stream,
            session.limits().send_buffer_bytes,
        )?);
        session.attach(Arc::clone(&wire));
        Ok(Self {
            wire,
            connections: connections.clone(),
            stage: Stage::Open(Reader {
                protocol: Protocol::new(session.limits(), early),
                // Of one that is too many nothing is asked.
                has_heard_enough: session.seat().is_none(),
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
            wire,
            connections,
            stage,
        } = &mut *self;
        if let Stage::Open(reader) = stage {
            let end = ready!(reader.poll_end(wire, context));
            // From here on nothing is published to it; what it still sends is read for the close's sake only. It
            // counts as a connection until that is over; one that was too many from the beginning is not waited for.
            let (seat, stall) = (reader.session.seat(), reader.session.limits().stall_timeout);
            let stall = stall.unwrap_or(Duration::MAX);
            let (true, Some(seat)) = (end == SocketState::Closed, seat) else {
                return Poll::Ready(());
            };
            let wire = Arc::clone(wire);
            let linger = async move {
                _ = timeout(stall, linger(&wire)).await;
                drop(seat);
            };
            let tasks = connections.clone();
            *stage = Stage::Closed(Box::pin(async move {
                _ = tasks.until_aborted(linger).await;
            }));
        }
        match stage {
            Stage::Open(_) => Poll::Ready(()),
            Stage::Closed(linger) => linger.as_mut().poll(context),
        }
    }
}

impl Reader {
    /// Goes on until the connection is closed, or lost.
    fn poll_end(
        &mut self,
        wire: &Arc<SharedSocket>,
        context: &mut Context<'_>,
    ) -> Poll<SocketState> {
        let span = self.session.span().clone();
        let _in = span.enter();
        loop {
            match user_code::call(|| self.poll_step(wire, context)) {
                Ok(step) => {
                    if let Err(end) = ready!(step) {
                        return Poll::Ready(end);
                    }
                }
                Err(_) if self.has_heard_enough => return Poll::Ready(SocketState::Lost),
                Err(panicked) => {
                    tracing::error!(%panicked, "a connection panicked: it is closed");
                    self.has_heard_enough = true;
                    self.request = None;
                    wire.set_busy(false);
                    self.session.close(CloseCode::Internal);
                }
            }
        }
    }

    fn poll_step(
        &mut self,
        wire: &Arc<SharedSocket>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SocketState>> {
        // First, so that nothing is told in between.
        wire.watch(context);
        if let Some(request) = &mut self.request
            && request.as_mut().poll(context).is_ready()
        {
            self.request = None;
            wire.set_busy(false);
        }
        match wire.state() {
            end @ (SocketState::Closed | SocketState::Lost) => return Poll::Ready(Err(end)),
            SocketState::Blocked => {
                let writable = ready!(wire.poll_writable(context));
                self.session.writable();
                return Poll::Ready(writable.map_err(|_| SocketState::Lost));
            }
            SocketState::Open => {}
        }
        if self.has_heard_enough || self.request.is_some() || wire.is_owed() {
            return Poll::Pending;
        }
        if self.protocol.may_have_more() {
            let mut answers = Vec::new();
            let heard = self.protocol.next(&mut answers);
            self.carry_out(heard, answers, wire);
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match ready!(wire.poll_readable(context)) {
            Ok(()) => self.read(wire),
            Err(_) => Err(SocketState::Lost),
        })
    }

    fn read(&mut self, wire: &Arc<SharedSocket>) -> Result<(), SocketState> {
        BUFFER.with_borrow_mut(|buffer| match wire.stream().try_read(buffer) {
            Ok(0) => Err(SocketState::Lost),
            Ok(count) => {
                wire.hear();
                let mut answers = Vec::new();
                let heard = self.protocol.take_in(&buffer[..count], &mut answers);
                self.carry_out(heard, answers, wire);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(SocketState::Lost),
        })
    }

    /// Begins what a client asks for, behind the answers that the protocol has.
    fn carry_out(&mut self, heard: Incoming, answers: Vec<u8>, wire: &SharedSocket) {
        if let Incoming::Close = heard {
            self.has_heard_enough = true;
            return self.session.closed_by_client(answers.into());
        }
        if !answers.is_empty() {
            self.session.pong(answers.into());
        }
        match heard {
            Incoming::Text(text) => {
                wire.set_busy(true);
                let session = Arc::clone(&self.session);
                self.request = Some(Box::pin(async move { session.receive(&text).await }));
            }
            Incoming::Wrong(code) => {
                self.has_heard_enough = true;
                self.session.close(code);
            }
            Incoming::Lost => wire.tell(SocketState::Lost),
            Incoming::Nothing | Incoming::Close => {}
        }
    }
}

/// Ends our direction and reads until the client has ended its own. A TCP connection that is
/// closed with bytes unread is reset, and the reset can overtake the close frame (RFC 6455,
/// section 7.1.1).
async fn linger(wire: &SharedSocket) {
    if wire.shut_down().is_err() {
        return;
    }
    while poll_fn(|context| wire.poll_readable(context)).await.is_ok() {
        let read = BUFFER.with_borrow_mut(|buffer| wire.stream().try_read(buffer));
        match read {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
