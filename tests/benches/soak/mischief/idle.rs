//! Stays connected for long, and sends only pongs. Some clients do not even send these.

use std::{io, time::Duration};

use tokio::time::sleep;

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Maximum time of a connection: longer than the server's idle timeout.
const MAX_STAY: Duration = Duration::from_secs(70);

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let early = if actor.one_in(2) {
        frame::text(&Dialect::Plain.subscribe(actor.dice.i32(2..=50)))
    } else {
        Vec::new()
    };
    let mut connection = Connection::open(actor, Buffer::Default, false, &early).await?;
    let time = actor.time(MAX_STAY);
    if actor.one_in(3) {
        // The pings stay unread, and finally the close frame.
        sleep(time).await;
        connection.read(Duration::from_millis(100)).await?;
        return connection.leave(Leave::Drop).await;
    }
    if connection.read(time).await? {
        connection.leave(Leave::Close).await
    } else {
        Ok(())
    }
}
