//! The frames of a websocket (RFC 6455, section 5.2), written as a client does, and as a bad one does; read as a server
//! sends them.

use rest_live_benches::frame::first;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;
pub const CLOSE: u8 = 0x88;
/// A text of which more follows, and what follows it.
pub const BEGINNING: u8 = 0x01;
pub const CONTINUATION: u8 = 0x00;

/// Returns a client's frame. Its mask is of zeros, which leave it as it is.
pub fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Returns a client's text.
pub fn text(text: &str) -> Vec<u8> {
    masked(TEXT, text.as_bytes())
}

/// What a server sends.
pub enum Frame<'b> {
    Text(&'b [u8]),
    Ping(&'b [u8]),
    /// With its code, where it has one.
    Close(Option<u16>),
    Pong,
    /// What no server may send here.
    Other,
}

/// Returns the first frame of these bytes and how many they are; `None` where it has not come in full.
pub fn next(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (kind, payload, behind) = first(bytes)?;
    let frame = match kind {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        CLOSE => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        _ => Frame::Other,
    };
    Some((frame, bytes.len() - behind.len()))
}
