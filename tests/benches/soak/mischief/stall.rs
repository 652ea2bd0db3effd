//! Subscribes to busy lists, and reads nothing for a while. A client that stalls at the deadline
//! keeps its connection open: the server must close it.

use std::{future::pending, io, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Minimum time without reading.
const MIN_STALL: Duration = Duration::from_secs(5);
/// Maximum time without reading that is added to the minimum.
const MAX_EXTRA_STALL: Duration = Duration::from_secs(15);
/// Time of reading after a stall.
const READ_TIME: Duration = Duration::from_secs(5);

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let dialect = *actor.dice.choice(&Dialect::ALL).unwrap();
    let requests: Vec<u8> = if actor.one_in(3) {
        // All other lists: each one alone is not busy enough.
        (2..=50)
            .flat_map(|list| frame::text(&dialect.subscribe(list)))
            .collect()
    } else {
        frame::text(&dialect.subscribe(1))
    };
    let mut connection = Connection::open(actor, Buffer::Tiny, false, &requests).await?;
    let until = Instant::now() + MIN_STALL + actor.time(MAX_EXTRA_STALL);
    if until > actor.swarm.deadline {
        actor.swarm.keep_stalled(connection);
        return pending().await;
    }
    sleep_until(until).await;
    if actor.one_in(2) {
        let how = *actor.dice.choice(&[Leave::Drop, Leave::Reset]).unwrap();
        return connection.leave(how).await;
    }
    if connection.read(READ_TIME).await? {
        connection.leave(Leave::Close).await
    } else {
        Ok(())
    }
}
