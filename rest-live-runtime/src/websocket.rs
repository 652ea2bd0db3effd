//! Runs one session over one websocket, whatever carries it.
//!
//! A transport does the HTTP upgrade and hands over the byte stream. The protocol (masking,
//! fragments, UTF-8, limits, ping, close) is tungstenite's; when to read, write and end is ours.

use std::{ops::ControlFlow, panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{Fuse, FusedFuture},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{self, Instant, Interval, MissedTickBehavior},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use tracing::Instrument;

use crate::{
    code::CloseCode,
    frame::Frame,
    session::{Outgoing, Session},
};

/// Bytes read at a time. tungstenite's default, 128 KiB, is what most of an idle connection weighs.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes gathered before they are written, if no flush comes first.
const WRITE_BUFFER: usize = 16 * 1024;

/// A byte stream that was upgraded to a websocket.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// Serves a session until either side ends it. `early` is what the client sent right behind its
/// handshake.
pub(crate) async fn serve(io: impl Io, early: Vec<u8>, session: Session) {
    let limits = session.limits();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes));
    let socket = WebSocketStream::from_partially_read(io, early, Role::Server, Some(config)).await;
    let mut connection = Connection {
        socket,
        stall: limits.stall,
    };
    let span = session.span().clone();
    let run = AssertUnwindSafe(connection.run(&session)).catch_unwind();
    let end = run.instrument(span.clone()).await.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("a connection panicked: it is closed"));
        End::ByServer(CloseCode::Internal)
    });
    // From here on nothing is published to it; what it still sends is read for the close's sake only. It
    // counts as a connection until that is over; one that was too many from the beginning is not waited for.
    let seat = session.seat();
    drop(session);
    connection.end(end, seat.is_some()).await;
}

struct Connection<S> {
    socket: WebSocketStream<S>,
    stall: Duration,
}

/// How a connection came to its end.
enum End {
    /// The client closed, or hung up.
    ByClient,
    /// The server closes.
    ByServer(CloseCode),
    /// The stream is gone, or cannot be written to.
    Lost,
}

type Flow = ControlFlow<End>;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self, session: &Session) -> End {
        let limits = session.limits();
        let mut ping = ping_timer(limits.ping_interval);
        let mut silence = pin!(sleep(limits.idle));
        // What the client said last, while it is being carried out. That may take as long as the
        // application's `authorize`: nothing more is read until then, but all else goes on.
        let mut request = pin!(Fuse::terminated());

        loop {
            let flow = tokio::select! {
                () = &mut request, if !request.is_terminated() => {
                    // The client could say nothing meanwhile.
                    silence.set(sleep(limits.idle));
                    Flow::Continue(())
                }
                message = self.socket.next(), if request.is_terminated() => {
                    silence.set(sleep(limits.idle));
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            request.set(async move { session.receive(&text).await }.fuse());
                            Flow::Continue(())
                        }
                        // tungstenite has the pong ready. A client that pings and reads nothing
                        // must not have it pile them up: they leave before the next is read.
                        Some(Ok(Message::Ping(_))) => self.send([]).await,
                        Some(message) => ignore_or_end(&message),
                        None => Flow::Break(End::ByClient),
                    }
                }
                outgoing = session.outgoing() => match outgoing {
                    Outgoing::Frames(frames) => self.send_frames(frames, session).await,
                    Outgoing::Close(code) => Flow::Break(End::ByServer(code)),
                },
                () = &mut silence, if request.is_terminated() => {
                    Flow::Break(End::ByServer(CloseCode::Silent))
                }
                _ = tick(&mut ping) => {
                    let ping = session.ping().map(Frame::into_text).map(Message::Text);
                    let protocol_ping = Message::Ping(tungstenite::Bytes::new());
                    self.send([protocol_ping].into_iter().chain(ping)).await
                }
            };
            if let Flow::Break(end) = flow {
                return end;
            }
        }
    }

    async fn send_frames(&mut self, frames: Vec<Frame>, session: &Session) -> Flow {
        let count = frames.len() as u64;
        let oldest = frames.iter().find_map(Frame::captured);
        let flow = self
            .send(frames.into_iter().map(Frame::into_text).map(Message::Text))
            .await;
        if flow.is_continue() {
            session.metrics().frames.increment(count);
            oldest
                .into_iter()
                .for_each(|captured| session.metrics().sent(captured));
        }
        flow
    }

    /// Writes messages out in as few writes as they fit in.
    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Flow {
        let send = async {
            for message in messages {
                self.socket.feed(message).await?;
            }
            self.socket.flush().await
        };
        match time::timeout(self.stall, send).await {
            Ok(Ok(())) => Flow::Continue(()),
            Ok(Err(_)) | Err(_) => Flow::Break(End::Lost),
        }
    }

    /// Closes the websocket so that the client gets to read why.
    async fn end(&mut self, end: End, lingers: bool) {
        let stall = self.stall;
        let close = async {
            match end {
                End::Lost => {}
                End::ByClient => {
                    // tungstenite has the answer ready.
                    if self.socket.flush().await.is_ok() {
                        self.linger().await;
                    }
                }
                End::ByServer(code) => {
                    let (code, reason) = code.on_the_wire();
                    let frame = CloseFrame {
                        code: code.into(),
                        reason: reason.into(),
                    };
                    if self.socket.send(Message::Close(Some(frame))).await.is_ok() && lingers {
                        self.linger().await;
                    }
                }
            }
        };
        _ = time::timeout(stall, close).await;
    }

    /// Ends our direction and reads until the client has ended its own. A TCP connection that is
    /// closed with bytes unread is reset, and the reset can overtake the close frame (RFC 6455,
    /// section 7.1.1).
    async fn linger(&mut self) {
        // Below tungstenite: what comes may be what it could not make sense of.
        let io = self.socket.get_mut();
        if io.shutdown().await.is_ok() {
            let mut scratch = [0; 4096];
            while let Ok(1..) = io.read(&mut scratch).await {}
        }
    }
}

/// Returns the timer of the pings; `None` for an interval of zero, or past the end of the clock.
fn ping_timer(interval: Duration) -> Option<Interval> {
    let start = Instant::now()
        .checked_add(interval)
        .filter(|_| !interval.is_zero())?;
    let mut timer = time::interval_at(start, interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(timer)
}

async fn tick(timer: &mut Option<Interval>) {
    match timer {
        Some(timer) => _ = timer.tick().await,
        None => std::future::pending().await,
    }
}

/// Sleeps; for ever where the time is zero, or past the end of the clock.
async fn sleep(time: Duration) {
    match Instant::now().checked_add(time).filter(|_| !time.is_zero()) {
        Some(end) => time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn ignore_or_end(message: &Result<Message, Error>) -> Flow {
    match message {
        Ok(Message::Binary(_)) => Flow::Break(End::ByServer(CloseCode::Unsupported)),
        Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
            Flow::Continue(())
        }
        Ok(Message::Close(_)) => Flow::Break(End::ByClient),
        Err(Error::Capacity(_)) => Flow::Break(End::ByServer(CloseCode::TooBig)),
        Err(Error::Utf8(_)) => Flow::Break(End::ByServer(CloseCode::NotUtf8)),
        Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake))
        | Err(Error::Io(_)) => Flow::Break(End::Lost),
        Err(Error::Protocol(_)) => Flow::Break(End::ByServer(CloseCode::Protocol)),
        Err(_) => Flow::Break(End::Lost),
    }
}
