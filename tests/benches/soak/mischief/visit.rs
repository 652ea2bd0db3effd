//! Comes, reads a while, and goes in any way there is.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    ground::Place,
};

const STAY: Duration = Duration::from_secs(10);
/// Lists; the first is that of the well-behaved.
const LISTS: i32 = 50;

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let dialect = *place.dice.choice(&Dialect::ALL).unwrap();
    let list = match place.one_in(4) {
        true => place.dice.i32(2..=LISTS),
        false => 1,
    };
    let request = frame::text(&dialect.subscribe(list));
    let is_early = place.one_in(3);
    let early = if is_early { &request[..] } else { &[] };
    let subprotocol = dialect == Dialect::V1 && place.one_in(2);
    let mut connection = Connection::open(place, Buffer::Usual, subprotocol, early).await?;
    if !is_early {
        connection.send(&request).await?;
    }
    // Some are gone before they are answered.
    if !place.one_in(5) {
        let time = place.time(STAY);
        connection.read(time).await?;
    }
    if place.one_in(4) {
        connection
            .send(&frame::text(&dialect.unsubscribe(list)))
            .await?;
    }
    let how = *place.dice.choice(&Leave::ALL).unwrap();
    connection.leave(how).await
}
