//! Sends half a handshake or a wrong one, and leaves.

use std::{io, time::Duration};

use tokio::io::AsyncWriteExt;

use crate::{
    connection::{self, Buffer},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Maximum time before the client leaves.
const MAX_WAIT: Duration = Duration::from_secs(5);

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let mut stream = connection::connect(actor, Buffer::Default).await?;
    let whole = connection::handshake(actor.swarm.address, false);
    let half = match actor.dice.u32(..4) {
        // Nothing, or any part of it.
        0 => whole.as_bytes()[..actor.dice.usize(..whole.len())].to_vec(),
        // All of it and a request. The client leaves before the answer.
        1 => [whole.as_bytes(), &frame::text(&Dialect::V1.subscribe(1))].concat(),
        2 => whole.replace("Version: 13", "Version: 8").into(),
        _ => whole.replace("Sec-WebSocket-Key", "No-Key").into(),
    };
    stream.write_all(&half).await?;
    if actor.one_in(2) {
        actor.pause(MAX_WAIT).await;
    }
    if actor.one_in(2) {
        stream.set_zero_linger()?;
    }
    Ok(())
}
