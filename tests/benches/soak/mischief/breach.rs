//! Breaks the websocket protocol.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Maximum time of reading before the breach.
const MAX_TIME_BEFORE: Duration = Duration::from_secs(2);

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let subscribe = frame::text(&Dialect::Plain.subscribe(1));
    let mut connection = Connection::open(actor, Buffer::Default, false, &subscribe).await?;
    let time = actor.time(MAX_TIME_BEFORE);
    connection.read(time).await?;
    let breach = match actor.dice.u32(..8) {
        0 => frame::masked(frame::BINARY, b"bytes"),
        1 => vec![frame::TEXT, 1, b'x'], // unmasked
        2 => frame::masked(frame::TEXT, &[0xFF, 0xFE]),
        3 => frame::masked(frame::TEXT, &[b'x'; 70_000]),
        4 => frame::masked(0xC1, b"x"), // a reserved bit
        5 => frame::masked(0x83, b"x"), // an unknown opcode
        6 => frame::masked(0x09, b"x"), // a fragmented ping
        _ => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    };
    connection.send(&breach).await?;
    if actor.one_in(3) {
        connection.leave(Leave::Drop).await
    } else {
        connection.wait_for_close().await
    }
}
