//! Websocket frames (RFC 6455, section 5.2): writes them as a good or bad client does, and reads
//! them as a server sends them.

use rest_live_benches::frame::first;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;
pub const CLOSE: u8 = 0x88;
/// The first fragment of a text.
pub const FIRST_FRAGMENT: u8 = 0x01;
/// A middle fragment of a text.
pub const MIDDLE_FRAGMENT: u8 = 0x00;
/// The last fragment of a text.
pub const LAST_FRAGMENT: u8 = 0x80;

/// Returns a client's frame. Its mask is of zeros, which does not change the payload.
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

/// Returns a client's text frame.
pub fn text(text: &str) -> Vec<u8> {
    masked(TEXT, text.as_bytes())
}

/// A frame from a server.
pub enum Frame<'b> {
    Text(&'b [u8]),
    Ping(&'b [u8]),
    /// With its code, if it has one.
    Close(Option<u16>),
    Pong,
    /// A frame that a server must not send here.
    Other,
}

/// Returns the first frame and its length in bytes. `None`: the frame is incomplete.
pub fn next(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (kind, payload, rest) = first(bytes)?;
    let frame = match kind {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        CLOSE => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        _ => Frame::Other,
    };
    Some((frame, bytes.len() - rest.len()))
}
