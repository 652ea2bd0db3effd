//! A TCP connection that was upgraded: its shard writes to it, its own task reads from it.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use socket2::SockRef;
use tokio::net::TcpStream;

/// What the two tasks share of a connection.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    stream: TcpStream,
    state: AtomicU8,
    /// Whether something came since it was last asked.
    heard: AtomicBool,
    /// Whether a request is being carried out, so that nothing can be heard.
    is_busy: AtomicBool,
    /// Whether pongs wait to be written, or many answers. Nothing is taken in meanwhile, or who asks and reads nothing would
    /// have them pile up.
    is_owed: AtomicBool,
    reader: AtomicWaker,
}

/// How a connection is, as the shard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SocketState {
    Open,
    /// Nothing can be written: the reader waits until something can, and says so.
    Blocked,
    /// All is written, and the close at last: the client's own is read out.
    Closed,
    /// It has failed, or nobody needs it any more.
    Lost,
}

impl SharedSocket {
    /// Takes a connection, so that what is written leaves at once, and a client that reads nothing is noticed after
    /// `send_buffer_bytes`, which Linux doubles; `None` keeps the system's default.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) fn new(stream: TcpStream, send_buffer_bytes: Option<usize>) -> io::Result<Self> {
        // Without, the second of two frames that follow each other waits for the client's delayed
        // acknowledgement, 40 ms.
        stream.set_nodelay(true)?;
        if let Some(bytes) = send_buffer_bytes {
            SockRef::from(&stream).set_send_buffer_size(bytes)?;
        }
        Ok(Self {
            stream,
            state: AtomicU8::new(SocketState::Open as u8),
            heard: AtomicBool::new(true),
            is_busy: AtomicBool::new(false),
            is_owed: AtomicBool::new(false),
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

    /// Tells the reader. What is closed or lost stays so.
    pub(crate) fn tell(&self, state: SocketState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Tells the reader that something was written again, unless it is over.
    pub(crate) fn unblock(&self) {
        _ = self.state.compare_exchange(
            SocketState::Blocked as u8,
            SocketState::Open as u8,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        self.reader.wake();
    }

    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Returns whether the client gave a sign of life since this was last asked, or could not.
    pub(crate) fn was_heard(&self) -> bool {
        // Looked at first: a swap writes to what is in nobody's cache.
        let was_heard = self.heard.load(Ordering::Relaxed);
        if was_heard {
            self.heard.store(false, Ordering::Relaxed);
        }
        was_heard || self.is_busy.load(Ordering::Relaxed) || self.is_owed()
    }

    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
        self.hear();
    }

    pub(crate) fn set_owed(&self, is_owed: bool) {
        if self.is_owed.swap(is_owed, Ordering::AcqRel) && !is_owed {
            self.reader.wake();
        }
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Acquire)
    }

    /// Has the reader's task woken when the shard tells something, until the next call.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        self.reader.register(context.waker());
    }

    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context)
    }

    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(context)
    }

    /// Ends our direction.
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)
    }
}
