//! Valid and invalid frames of a client (RFC 6455, section 5.2).

use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The bit that marks the last frame of a message.
pub(crate) const FIN: u8 = 0x80;

/// The encoding of a payload's length.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Bits7,
    Bits16,
    Bits64,
}

impl Length {
    /// Returns the only encoding that is allowed.
    fn shortest(length: usize) -> Self {
        match length {
            0..126 => Self::Bits7,
            126..0x1_0000 => Self::Bits16,
            _ => Self::Bits64,
        }
    }
}

/// Returns a masked frame. Its first byte contains the opcode and the flags.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(first, Length::shortest(payload.len()), payload)
}

/// Returns a masked frame with a chosen encoding of its length.
pub(crate) fn frame_with(first: u8, length: Length, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, length, payload.len() as u64);
    let mask: [u8; 4] = bytes[bytes.len() - 4..].try_into().unwrap();
    let masked = payload.iter().zip(mask.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Returns the header of a masked frame, which ends with the mask.
pub(crate) fn header(first: u8, length: Length, announced: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        Length::Bits7 => bytes.push(0x80 | announced as u8),
        Length::Bits16 => {
            bytes.push(0x80 | 126);
            bytes.extend((announced as u16).to_be_bytes());
        }
        Length::Bits64 => {
            bytes.push(0x80 | 127);
            bytes.extend(announced.to_be_bytes());
        }
    }
    bytes.extend(mask());
    bytes
}

/// Returns a frame without a mask, which clients must not send.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, payload.len() as u8];
    bytes.extend(payload);
    bytes
}

/// Returns another mask each time, without zero bytes, and the same masks in each run.
fn mask() -> [u8; 4] {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let mask = LAST.fetch_add(0x9E37_79B9, Ordering::Relaxed);
    (mask | 0x0110_0408).to_be_bytes()
}

pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PING, payload)
}

pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PONG, payload)
}

pub(crate) fn close(payload: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, payload)
}

/// Returns the payload of a close frame.
pub(crate) fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

/// Returns a text message with one frame for each part.
pub(crate) fn fragments<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<Vec<u8>> {
    let mut parts = parts.into_iter().peekable();
    let mut opcode = TEXT;
    let mut frames = Vec::new();
    while let Some(part) = parts.next() {
        let fin = match parts.peek() {
            Some(_) => 0,
            None => FIN,
        };
        frames.push(frame(fin | opcode, part.as_ref()));
        opcode = CONTINUATION;
    }
    frames
}
