//! Serves a session on a stream that is not a plain TCP connection. One task reads and writes.

use std::{ops::ControlFlow, pin::pin, time::Duration};

use futures_util::{
    FutureExt,
    future::{Fuse, FusedFuture},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{self, Instant, Interval, MissedTickBehavior},
};
use tracing::Instrument;

use super::{
    Io, linger,
    websocket::{Incoming, WebsocketReader},
};
use crate::{
    hub::shard::drain::Outgoing,
    protocol::{
        code::CloseCode,
        frame::{Frame, close_frame, ping_frame},
    },
    session::Session,
    user_code,
};

/// Maximum number of bytes in one read.
const READ_BUFFER_BYTES: usize = 4 * 1024;

pub(crate) async fn serve(io: Box<dyn Io>, early: Vec<u8>, session: Session) {
    let limits = session.limits();
    let mut connection = Connection {
        io,
        reader: WebsocketReader::new(limits, early),
        stall_timeout: limits.stall_timeout.unwrap_or(Duration::MAX),
    };
    let span = session.span().clone();
    let run = user_code::call_async(connection.run(&session));
    let end = run
        .instrument(span.clone())
        .await
        .unwrap_or_else(|panicked| {
            span.in_scope(
                || tracing::error!(%panicked, "a connection panicked: it is closed with 1011"),
            );
            End::ByServer(CloseCode::Internal)
        });
    // The client receives nothing more. The permit counts until the close is complete, as for a
    // TCP connection.
    let permit = session.permit();
    drop(session);
    connection.close(end, permit.is_some()).await;
}

struct Connection {
    io: Box<dyn Io>,
    reader: WebsocketReader,
    stall_timeout: Duration,
}

/// How a connection ends.
enum End {
    /// The client closed. Contains the answer.
    ByClient(Vec<u8>),
    /// The server closes.
    ByServer(CloseCode),
    /// The stream has ended, or cannot be written to.
    Lost,
}

type Flow = ControlFlow<End>;

impl Connection {
    async fn run(&mut self, session: &Session) -> End {
        let limits = session.limits();
        let mut ping = ping_timer(limits.ping_interval);
        let mut idle = pin!(sleep(limits.idle_timeout));
        // The client's last request, while it is executed. Nothing more is read until it is
        // complete.
        let mut request = pin!(Fuse::terminated());
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut received = None;

        loop {
            if request.is_terminated() && (received.is_some() || self.reader.may_have_message()) {
                let mut answers = Vec::new();
                let incoming = match received.take() {
                    Some(count) => self.reader.feed(&buffer[..count], &mut answers),
                    None => self.reader.next(&mut answers),
                };
                if let Incoming::Close = incoming {
                    return End::ByClient(answers);
                }
                // The answers are written before anything else is read: otherwise they would pile
                // up for a client that sends pings and reads nothing.
                if let Flow::Break(end) = self.write(&answers).await {
                    return end;
                }
                match incoming {
                    Incoming::Text(text) => {
                        request.set(async move { session.receive(&text).await }.fuse());
                    }
                    Incoming::Violation(code) => return End::ByServer(code),
                    Incoming::Lost => return End::Lost,
                    Incoming::Incomplete | Incoming::Close => {}
                }
            }
            let flow = tokio::select! {
                () = &mut request, if !request.is_terminated() => {
                    // Nothing was read from the client during the request.
                    idle.set(sleep(limits.idle_timeout));
                    Flow::Continue(())
                }
                read = self.io.read(&mut buffer), if request.is_terminated() => {
                    idle.set(sleep(limits.idle_timeout));
                    match read {
                        Ok(count @ 1..) => {
                            received = Some(count);
                            Flow::Continue(())
                        }
                        Ok(0) | Err(_) => Flow::Break(End::Lost),
                    }
                }
                outgoing = session.outgoing() => match outgoing {
                    Outgoing::Frames(frames) => self.write_frames(&frames, session).await,
                    Outgoing::Close(code) => Flow::Break(End::ByServer(code)),
                },
                () = &mut idle, if request.is_terminated() => {
                    Flow::Break(End::ByServer(CloseCode::Silent))
                }
                _ = tick(&mut ping) => {
                    // The message follows the frames that are queued.
                    session.ping();
                    self.write(&ping_frame()).await
                }
            };
            if let Flow::Break(end) = flow {
                return end;
            }
        }
    }

    async fn write_frames(&mut self, frames: &[Frame], session: &Session) -> Flow {
        let bytes: Vec<_> = frames.iter().map(|frame| &frame.bytes()[..]).collect();
        let flow = self.write(&bytes.concat()).await;
        if flow.is_continue() {
            session.metrics().writes.increment(1);
            session.metrics().frames.increment(frames.len() as u64);
            if let Some(oldest) = frames.iter().find_map(Frame::captured) {
                session.metrics().record_latency(oldest);
            }
        }
        flow
    }

    async fn write(&mut self, bytes: &[u8]) -> Flow {
        if bytes.is_empty() {
            return Flow::Continue(());
        }
        let write = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match time::timeout(self.stall_timeout, write).await {
            Ok(Ok(())) => Flow::Continue(()),
            Ok(Err(_)) | Err(_) => Flow::Break(End::Lost),
        }
    }

    /// Closes the websocket in a way that lets the client read the close code.
    async fn close(&mut self, end: End, lingers: bool) {
        let (frame, lingers) = match end {
            End::Lost => return,
            End::ByClient(answer) => (answer, true),
            End::ByServer(code) => (close_frame(code).to_vec(), lingers),
        };
        let stall_timeout = self.stall_timeout;
        let close = async {
            if self.write(&frame).await.is_continue() && lingers {
                linger(&mut *self.io).await;
            }
        };
        _ = time::timeout(stall_timeout, close).await;
    }
}

/// Returns the timer of the pings. `None` without an interval, or if it exceeds the range of the
/// clock.
fn ping_timer(interval: Option<Duration>) -> Option<Interval> {
    let interval = interval?;
    let start = Instant::now().checked_add(interval)?;
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

/// Sleeps for a time. Never returns without one, or if it exceeds the range of the clock.
async fn sleep(time: Option<Duration>) {
    match time.and_then(|time| Instant::now().checked_add(time)) {
        Some(end) => time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
