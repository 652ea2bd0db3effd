//! Reads websocket frames (RFC 6455, section 5.2) as a server sends them: whole and unmasked.

/// Returns the first byte and the payload of the first frame, and the bytes after it. `None`: the
/// frame is incomplete.
pub fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, length], rest) = bytes.split_first_chunk()?;
    // A masked frame would have a length above 127, which no server sends.
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
    let (payload, after) = rest.split_at_checked(length)?;
    Some((kind, payload, after))
}
