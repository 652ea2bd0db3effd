//! The websocket protocol without a socket: it turns bytes into messages and answers.

use std::{
    io::{self, Read, Write},
    mem,
};

use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use crate::{limits::Limits, protocol::code::CloseCode};

/// Size of tungstenite's read buffer, which each connection keeps even while it is idle. With the
/// default of 128 KiB, this buffer would be most of the memory of an idle connection.
const READ_BUFFER_BYTES: usize = 256;

/// Reads the messages of a client. Bytes after a message are kept until the next read.
pub(crate) struct WebsocketReader {
    context: WebSocketContext,
    /// Bytes that were received; those from `unread_from` on are unread.
    unread: Vec<u8>,
    unread_from: usize,
    may_have_message: bool,
}

/// What a client sent.
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    /// The bytes received so far contain no further message.
    Incomplete,
    /// A close frame. Its answer is among the answers.
    Close,
    /// Something that violates the protocol, or that this server does not accept.
    Violation(CloseCode),
    /// The stream ended within a message.
    Lost,
}

impl WebsocketReader {
    /// Creates the reader of a connection. `early` is what the client sent directly after its
    /// handshake.
    pub(crate) fn new(limits: &Limits, early: Vec<u8>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(limits.max_message_bytes))
            .max_frame_size(Some(limits.max_message_bytes));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            unread: early,
            unread_from: 0,
            may_have_message: true,
        }
    }

    /// Returns whether the bytes received so far may contain a message. If not, the caller must
    /// [`feed`](Self::feed) more.
    pub(crate) fn may_have_message(&self) -> bool {
        self.may_have_message
    }

    /// Reads the next message of the bytes received so far. Appends the pongs and the close that
    /// are due to `answers`, as bytes for the socket.
    pub(crate) fn next(&mut self, answers: &mut Vec<u8>) -> Incoming {
        let unread = mem::take(&mut self.unread);
        let (incoming, left) = self.read(&unread[self.unread_from..], answers);
        (self.unread, self.unread_from) = match left {
            0 => (Vec::new(), 0),
            left => {
                let from = unread.len() - left;
                (unread, from)
            }
        };
        incoming
    }

    /// Adds received bytes, and reads the next message. All earlier bytes must have been read.
    pub(crate) fn feed(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> Incoming {
        let (incoming, left) = self.read(bytes, answers);
        self.unread = bytes[bytes.len() - left..].to_vec();
        self.unread_from = 0;
        incoming
    }

    /// Reads a message, and returns it with the number of bytes that are left.
    fn read(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) -> (Incoming, usize) {
        let incoming = self.read_message(&mut Stream {
            bytes: &mut bytes,
            answers,
        });
        // This also holds if no bytes are left: tungstenite buffers some.
        self.may_have_message = !matches!(incoming, Incoming::Incomplete);
        (incoming, bytes.len())
    }

    fn read_message(&mut self, stream: &mut Stream<'_, '_>) -> Incoming {
        loop {
            match self.context.read(stream) {
                Ok(Message::Text(text)) => return Incoming::Text(text),
                Ok(Message::Binary(_)) => return Incoming::Violation(CloseCode::Unsupported),
                Ok(Message::Ping(_)) => self.write_answers(stream),
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) => {
                    self.write_answers(stream);
                    return Incoming::Close;
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Incoming::Incomplete;
                }
                Err(error) => return from_error(&error),
            }
        }
    }

    /// Lets tungstenite write the answers that are due. Its result is ignored: it is an error if
    /// the connection is closed, which [`Incoming::Close`] reports.
    fn write_answers(&mut self, stream: &mut Stream<'_, '_>) {
        _ = self.context.flush(stream);
    }
}

fn from_error(error: &Error) -> Incoming {
    match error {
        Error::Capacity(_) => Incoming::Violation(CloseCode::TooBig),
        Error::Utf8(_) => Incoming::Violation(CloseCode::NotUtf8),
        Error::ConnectionClosed => Incoming::Close,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Incoming::Lost,
        Error::Protocol(_) => Incoming::Violation(CloseCode::Protocol),
        _ => Incoming::Lost,
    }
}

/// The stream that tungstenite reads from and writes to.
struct Stream<'b, 's> {
    bytes: &'b mut &'s [u8],
    answers: &'b mut Vec<u8>,
}

impl Read for Stream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            // A read of zero bytes would be the end of the stream.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.read(buffer)
    }
}

impl Write for Stream<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answers.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
