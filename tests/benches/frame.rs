//! The frames of a websocket (RFC 6455, section 5.2), as a server sends them: whole and unmasked.

/// Returns of the first frame of these bytes its first byte and what it carries, and what is behind it; `None` where it has
/// not come in full.
pub fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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
    Some((kind, payload, behind))
}
