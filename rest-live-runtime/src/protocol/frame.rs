//! One websocket message, as it is written to a socket.

use std::{fmt, time::SystemTime};

use tokio_tungstenite::tungstenite::Bytes;

use super::code::CloseCode;

/// A text message to a client, encoded once and shared by all its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The websocket frame: a header and the text.
    bytes: Bytes,
    /// The index of the text in `bytes`.
    text_start: u8,
    /// When its change was captured; `None` for an answer.
    captured: Option<SystemTime>,
}

/// The first byte of a websocket frame (RFC 6455, section 5.2). Each frame is a whole message.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Opcode {
    Text = 0x81,
    Close = 0x88,
    Ping = 0x89,
}

/// Appends the header of a websocket frame whose payload has `length` bytes.
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
    let (code, reason) = code.code_and_reason();
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
    /// Creates a frame for one client: the answer to a request, a reset or a ping.
    pub(crate) fn answer(text: &str) -> Self {
        Self::text(text, None)
    }

    /// Creates a frame that publishes a change to its subscribers.
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
        let text_start = bytes.len() as u8;
        bytes.extend(text.as_bytes());
        Self {
            bytes: bytes.into(),
            text_start,
            captured,
        }
    }

    /// Creates the frame of bytes that [`bytes`](Self::bytes) returned.
    pub(crate) fn of_bytes(bytes: Bytes) -> Self {
        let text_start = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        Self {
            bytes,
            text_start,
            captured: None,
        }
    }

    /// Creates the common suffix of messages with different prefixes, one prefix for each
    /// subscription. It is not a message yet.
    pub(crate) fn suffix(text: String, captured: SystemTime) -> Self {
        Self {
            bytes: text.into(),
            text_start: 0,
            captured: Some(captured),
        }
    }

    /// Returns the text of the message.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[usize::from(self.text_start)..])
            .expect("the text was a string")
    }

    /// Returns the bytes that are written to a socket.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns when the change was captured, for the latency metric.
    pub(crate) fn captured(&self) -> Option<SystemTime> {
        self.captured
    }
}

impl fmt::Debug for Frame {
    // Without the text: payloads must not appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_has_its_shortest_form() {
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
            assert_eq!(Frame::of_bytes(frame.bytes().clone()), frame);
        }
    }
}
