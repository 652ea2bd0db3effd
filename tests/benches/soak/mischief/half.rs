//! Does half a handshake, or a wrong one, and goes.

use std::{io, time::Duration};

use tokio::io::AsyncWriteExt;

use crate::{
    connection::{self, Buffer},
    dialect::Dialect,
    frame,
    ground::Place,
};

const WAIT: Duration = Duration::from_secs(5);

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let mut stream = connection::connect(place, Buffer::Usual).await?;
    let whole = connection::handshake(place.ground.address, false);
    let half = match place.dice.u32(..4) {
        // Nothing, or up to anywhere.
        0 => whole.as_bytes()[..place.dice.usize(..whole.len())].to_vec(),
        // All of it, and a request; it is gone before the answer.
        1 => [whole.as_bytes(), &frame::text(&Dialect::V1.subscribe(1))].concat(),
        2 => whole.replace("Version: 13", "Version: 8").into(),
        _ => whole.replace("Sec-WebSocket-Key", "No-Key").into(),
    };
    stream.write_all(&half).await?;
    if place.one_in(2) {
        place.pause(WAIT).await;
    }
    if place.one_in(2) {
        stream.set_zero_linger()?;
    }
    Ok(())
}
