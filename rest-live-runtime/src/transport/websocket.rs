//! The websocket protocol without a socket: bytes in, messages and answers out.

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

/// Bytes that are taken in at a time, and kept for a connection whether it has something to say or not. tungstenite's default,
/// 128 KiB, is what most of an idle connection weighs.
const READ_BUFFER: usize = 256;

/// How a client's bytes are read. What came behind a message waits in there until it is asked for.
pub(crate) struct Protocol {
    context: WebSocketContext,
    /// What came with the last message, and where what is behind that begins.
    unread: Vec<u8>,
    unread_at: usize,
    may_have_more: bool,
}

/// What a client says.
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    /// Nothing more in what came so far.
    Nothing,
    /// That it closes: the answer is among the answers.
    Close,
    /// Something that nobody may say.
    Wrong(CloseCode),
    /// The stream has ended in the middle.
    Lost,
}

impl Protocol {
    /// Begins a connection. `early` is what the client sent right behind its handshake.
    pub(crate) fn new(limits: &Limits, early: Vec<u8>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limits.max_message_bytes))
            .max_frame_size(Some(limits.max_message_bytes));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            unread: early,
            unread_at: 0,
            may_have_more: true,
        }
    }

    /// Returns whether there may be a message in what came so far. Else it takes more.
    pub(crate) fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Reads the next message of what came so far. `answers` gets the pongs and the close that are owed, as they are
    /// written to a socket.
    pub(crate) fn next(&mut self, answers: &mut Vec<u8>) -> Incoming {
        let unread = mem::take(&mut self.unread);
        let (heard, left) = self.read(&unread[self.unread_at..], answers);
        (self.unread, self.unread_at) = match left {
            0 => (Vec::new(), 0),
            left => {
                let at = unread.len() - left;
                (unread, at)
            }
        };
        heard
    }

    /// Reads the next message of what comes behind all that came so far.
    pub(crate) fn take_in(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> Incoming {
        let (heard, left) = self.read(bytes, answers);
        self.unread = bytes[bytes.len() - left..].to_vec();
        self.unread_at = 0;
        heard
    }

    /// Reads a message, and returns how many bytes are left.
    fn read(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) -> (Incoming, usize) {
        let heard = self.message(&mut Between {
            bytes: &mut bytes,
            answers,
        });
        // Also where no bytes are left: tungstenite keeps some.
        self.may_have_more = !matches!(heard, Incoming::Nothing);
        (heard, bytes.len())
    }

    fn message(&mut self, between: &mut Between<'_, '_>) -> Incoming {
        loop {
            match self.context.read(between) {
                Ok(Message::Text(text)) => return Incoming::Text(text),
                Ok(Message::Binary(_)) => return Incoming::Wrong(CloseCode::Unsupported),
                Ok(Message::Ping(_)) => self.answer(between),
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) => {
                    self.answer(between);
                    return Incoming::Close;
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Incoming::Nothing;
                }
                Err(error) => return wrong(&error),
            }
        }
    }

    /// Has tungstenite write what it owes. It says that a connection is closed which is.
    fn answer(&mut self, between: &mut Between<'_, '_>) {
        _ = self.context.flush(between);
    }
}

fn wrong(error: &Error) -> Incoming {
    match error {
        Error::Capacity(_) => Incoming::Wrong(CloseCode::TooBig),
        Error::Utf8(_) => Incoming::Wrong(CloseCode::NotUtf8),
        Error::ConnectionClosed => Incoming::Close,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Incoming::Lost,
        Error::Protocol(_) => Incoming::Wrong(CloseCode::Protocol),
        _ => Incoming::Lost,
    }
}

/// What tungstenite takes for a socket.
struct Between<'b, 's> {
    bytes: &'b mut &'s [u8],
    answers: &'b mut Vec<u8>,
}

impl Read for Between<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.bytes.is_empty() {
            // Zero bytes would be the end of the stream.
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => self.bytes.read(buffer),
        }
    }
}

impl Write for Between<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answers.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
