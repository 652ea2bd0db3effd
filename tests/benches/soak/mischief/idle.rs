//! Stays for long, and says nothing but pongs; some not even these.

use std::{io, time::Duration};

use tokio::time::sleep;

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    ground::Place,
};

/// At most: longer than the server waits for a sign of life.
const LONG: Duration = Duration::from_secs(70);

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let early = match place.one_in(2) {
        true => frame::text(&Dialect::Plain.subscribe(place.dice.i32(2..=50))),
        false => Vec::new(),
    };
    let mut connection = Connection::open(place, Buffer::Usual, false, &early).await?;
    let time = place.time(LONG);
    if place.one_in(3) {
        // The pings wait, and the close at last.
        sleep(time).await;
        connection.read(Duration::from_millis(100)).await?;
        return connection.leave(Leave::Drop).await;
    }
    match connection.read(time).await? {
        true => connection.leave(Leave::Close).await,
        false => Ok(()),
    }
}
