//! The frames of a websocket (RFC 6455, section 5.2), as a server sends them: whole and unmasked.

/// A frame of a text, and of what else there is.
pub enum Frame<'b> {
    Text(&'b [u8]),
    Close,
    /// A ping, or what nobody has asked for.
    Other,
}

/// Returns the first frame of these bytes and what is behind it; `None` where it has not come in full.
pub fn next(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&[kind, length], rest) = bytes.split_first_chunk()?;
    // The mask's bit makes it a length that nobody sends.
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*length).into(), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length) as usize, rest)
        }
        length => (length.into(), rest),
    };
    let (payload, behind) = rest.split_at_checked(length)?;
    let frame = match kind {
        0x81 => Frame::Text(payload),
        0x88 => Frame::Close,
        _ => Frame::Other,
    };
    Some((frame, behind))
}
