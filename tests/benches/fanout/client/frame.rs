//! The kinds of websocket frames that the client distinguishes.

use rest_live_benches::frame::first;

/// A frame from a server.
pub enum Frame<'b> {
    Text(&'b [u8]),
    Close,
    /// A ping, or an unexpected frame.
    Other,
}

/// Returns the first frame, and the bytes after it. `None`: the frame is incomplete.
pub fn next(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (kind, payload, after) = first(bytes)?;
    let frame = match kind {
        0x81 => Frame::Text(payload),
        0x88 => Frame::Close,
        _ => Frame::Other,
    };
    Some((frame, after))
}
