//! A TCP connection that was upgraded to a websocket: its shard writes to it, its own task reads
//! from it.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    task::{Context, Poll},
};

use futures_util::{FutureExt, task::AtomicWaker};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

/// What the writer and the reader of a connection share.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    stream: TcpStream,
    state: AtomicU8,
    /// Whether data was received since the last [`take_received`](Self::take_received).
    received: AtomicBool,
    /// Whether a request is being carried out, so that nothing is read.
    is_busy: AtomicBool,
    /// Whether pongs or many answers are queued. Nothing is read meanwhile: a client that sends
    /// requests and reads no answers must not fill the queue.
    owes: AtomicBool,
    reader: AtomicWaker,
}

/// The state of a connection, as the writer sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SocketState {
    Open,
    /// The socket accepts no data: the reader waits until it does, and reports it.
    Blocked,
    /// Everything is written, including the close: the reader reads what the client still sends.
    Closed,
    /// The connection failed, or is not needed any more.
    Lost,
}

impl SharedSocket {
    /// Wraps a connection. Written data is sent at once (`TCP_NODELAY`). The send buffer has
    /// `send_buffer_bytes`, which Linux doubles; `None` keeps the system's default.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn new(stream: TcpStream, send_buffer_bytes: Option<usize>) -> io::Result<Self> {
        // Otherwise the second of two frames waits for the client's delayed acknowledgement, 40 ms.
        stream.set_nodelay(true)?;
        if let Some(bytes) = send_buffer_bytes {
            SockRef::from(&stream).set_send_buffer_size(bytes)?;
        }
        Ok(Self {
            stream,
            state: AtomicU8::new(SocketState::Open as u8),
            received: AtomicBool::new(true),
            is_busy: AtomicBool::new(false),
            owes: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn state(&self) -> SocketState {
        match self.state.load(Ordering::Acquire) {
            0 => SocketState::Open,
            1 => SocketState::Blocked,
            2 => SocketState::Closed,
            _ => SocketState::Lost,
        }
    }

    /// Sets the state and wakes the reader. `Closed` and `Lost` are final.
    pub(crate) fn set_state(&self, state: SocketState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Returns from `Blocked` to `Open` and wakes the reader.
    pub(crate) fn unblock(&self) {
        _ = self.state.compare_exchange(
            SocketState::Blocked as u8,
            SocketState::Open as u8,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        self.reader.wake();
    }

    /// Returns whether the client has ended its direction, or the connection is over. This is known
    /// although the server reads nothing while it carries a request out.
    pub(crate) fn has_hung_up(&self) -> bool {
        let is_over = matches!(self.state(), SocketState::Closed | SocketState::Lost);
        let readiness = || self.stream.ready(Interest::READABLE).now_or_never();
        is_over || readiness().is_some_and(|ready| ready.map_or(true, |r| r.is_read_closed()))
    }

    pub(crate) fn set_received(&self) {
        self.received.store(true, Ordering::Relaxed);
    }

    /// Returns whether the client sent anything since the last call, or could not be read.
    pub(crate) fn take_received(&self) -> bool {
        // Loaded first: a swap would take the cache line from the reader's core.
        let was_received = self.received.load(Ordering::Relaxed);
        if was_received {
            self.received.store(false, Ordering::Relaxed);
        }
        was_received || self.is_busy.load(Ordering::Relaxed) || self.owes()
    }

    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
        self.set_received();
    }

    pub(crate) fn set_owes(&self, owes: bool) {
        if self.owes.swap(owes, Ordering::AcqRel) && !owes {
            self.reader.wake();
        }
    }

    pub(crate) fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    /// Wakes the reader's task when the writer changes the state, until the next call.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        self.reader.register(context.waker());
    }

    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context)
    }

    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(context)
    }

    /// Ends the direction to the client.
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)
    }
}
