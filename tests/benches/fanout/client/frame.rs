//! The frames of a websocket (RFC 6455, section 5.2), as a server sends them: whole and unmasked.

use rest_live_benches::frame::first;

/// A frame of a text, and of what else there is.
pub enum Frame<'b> {
    Text(&'b [u8]),
    Close,
    /// A ping, or what nobody has asked for.
    Other,
}

/// Returns the first frame of these bytes and what is behind it; `None` where it has not come in full.
pub fn next(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (kind, payload, behind) = first(bytes)?;
    let frame = match kind {
        0x81 => Frame::Text(payload),
        0x88 => Frame::Close,
        _ => Frame::Other,
    };
    Some((frame, behind))
}
