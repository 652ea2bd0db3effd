//! One wire message.

use std::{fmt, time::SystemTime};

use tokio_tungstenite::tungstenite::Bytes;

use super::code::CloseCode;

/// One text message to a client, encoded once and shared by all its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// As it is written to a socket.
    bytes: Bytes,
    /// Where in it the text begins.
    text_at: u8,
    /// When the change was captured that it tells of; `None` for an answer.
    captured: Option<SystemTime>,
}

/// What a websocket's frame is, in its first byte (RFC 6455, section 5.2). All are whole messages.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Opcode {
    Text = 0x81,
    Close = 0x88,
    Ping = 0x89,
}

/// Begins a websocket's frame with so many bytes of payload.
pub(crate) fn header(opcode: Opcode, length: usize, bytes: &mut Vec<u8>) {
    bytes.push(opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => bytes.push(short),
        (_, Ok(length)) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
}

/// Encodes a close frame.
pub(crate) fn close_frame(code: CloseCode) -> Bytes {
    let (code, reason) = code.on_the_wire();
    let mut bytes = Vec::new();
    header(Opcode::Close, 2 + reason.len(), &mut bytes);
    bytes.extend(code.to_be_bytes());
    bytes.extend(reason.as_bytes());
    bytes.into()
}

/// Encodes a ping.
pub(crate) fn ping_frame() -> Bytes {
    const PING: [u8; 2] = [Opcode::Ping as u8, 0];
    Bytes::from_static(&PING)
}

impl Frame {
    /// Returns what one client is told about itself: the answer to a request, a reset, a ping.
    pub(crate) fn answer(text: &str) -> Self {
        Self::text(text, None)
    }

    /// Returns what subscribers are told of a change.
    pub(crate) fn broadcast(text: &str, captured: SystemTime) -> Self {
        Self::text(text, Some(captured))
    }

    fn text(text: &str, captured: Option<SystemTime>) -> Self {
        let header_length = match text.len() {
            ..126 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        let mut bytes = Vec::with_capacity(text.len() + header_length);
        header(Opcode::Text, text.len(), &mut bytes);
        let text_at = bytes.len() as u8;
        bytes.extend(text.as_bytes());
        Self {
            bytes: bytes.into(),
            text_at,
            captured,
        }
    }

    /// Returns the end of a message that begins otherwise for each subscription: no message yet.
    pub(crate) fn ending(text: String, captured: SystemTime) -> Self {
        Self {
            bytes: text.into(),
            text_at: 0,
            captured: Some(captured),
        }
    }

    /// Returns the message.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[usize::from(self.text_at)..])
            .expect("it was made of a string")
    }

    /// Returns the message as it is written to a socket.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn captured(&self) -> Option<SystemTime> {
        self.captured
    }
}

impl fmt::Debug for Frame {
    // The length only: payloads do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_written_as_short_as_it_can_be() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xFF, 0xFF]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let text = "x".repeat(length);
            let frame = Frame::answer(&text);
            assert_eq!(frame.bytes(), &[head, text.as_bytes()].concat());
            assert_eq!(frame.as_str(), text);
        }
    }
}
