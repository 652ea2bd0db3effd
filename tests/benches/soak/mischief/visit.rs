//! Connects, reads for a while, and leaves in a random way.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Maximum time of reading.
const MAX_STAY: Duration = Duration::from_secs(10);
/// The number of lists. The well-behaved clients follow the first one.
const LISTS: i32 = 50;

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let dialect = *actor.dice.choice(&Dialect::ALL).unwrap();
    let list = if actor.one_in(4) {
        actor.dice.i32(2..=LISTS)
    } else {
        1
    };
    let request = frame::text(&dialect.subscribe(list));
    let is_early = actor.one_in(3);
    let early = if is_early { &request[..] } else { &[] };
    let subprotocol = dialect == Dialect::V1 && actor.one_in(2);
    let mut connection = Connection::open(actor, Buffer::Default, subprotocol, early).await?;
    if !is_early {
        connection.send(&request).await?;
    }
    // Some clients leave before the answer.
    if !actor.one_in(5) {
        let time = actor.time(MAX_STAY);
        connection.read(time).await?;
    }
    if actor.one_in(4) {
        connection
            .send(&frame::text(&dialect.unsubscribe(list)))
            .await?;
    }
    let how = *actor.dice.choice(&Leave::ALL).unwrap();
    connection.leave(how).await
}
