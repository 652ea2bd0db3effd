//! Breaks the protocol of websockets.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    ground::Place,
};

const BEFORE: Duration = Duration::from_secs(2);

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let subscribe = frame::text(&Dialect::Plain.subscribe(1));
    let mut connection = Connection::open(place, Buffer::Usual, false, &subscribe).await?;
    let time = place.time(BEFORE);
    connection.read(time).await?;
    let breach = match place.dice.u32(..8) {
        0 => frame::masked(frame::BINARY, b"bytes"),
        1 => vec![frame::TEXT, 1, b'x'], // unmasked
        2 => frame::masked(frame::TEXT, &[0xFF, 0xFE]),
        3 => frame::masked(frame::TEXT, &[b'x'; 70_000]),
        4 => frame::masked(0xC1, b"x"), // a reserved bit
        5 => frame::masked(0x83, b"x"), // an unknown kind
        6 => frame::masked(0x09, b"x"), // a ping in parts
        _ => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    };
    connection.send(&breach).await?;
    match place.one_in(3) {
        true => connection.leave(Leave::Drop).await,
        false => connection.be_closed().await,
    }
}
