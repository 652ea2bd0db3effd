//! Subscribes to what is busy, and reads nothing of it for a while. Whoever does when it is over stays: the server is to get rid
//! of it.

use std::{future::pending, io, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    ground::Place,
};

/// At least, and on top of that.
const NOTHING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));
const READ_ON: Duration = Duration::from_secs(5);

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let dialect = *place.dice.choice(&Dialect::ALL).unwrap();
    let requests: Vec<u8> = match place.one_in(3) {
        // All the others, which are as busy together as some are alone.
        true => (2..=50)
            .flat_map(|list| frame::text(&dialect.subscribe(list)))
            .collect(),
        false => frame::text(&dialect.subscribe(1)),
    };
    let mut connection = Connection::open(place, Buffer::Tiny, false, &requests).await?;
    let (least, more) = NOTHING;
    let until = Instant::now() + least + place.time(more);
    if until > place.ground.over {
        place.ground.hold(connection);
        return pending().await;
    }
    sleep_until(until).await;
    if place.one_in(2) {
        let how = *place.dice.choice(&[Leave::Drop, Leave::Reset]).unwrap();
        return connection.leave(how).await;
    }
    match connection.read(READ_ON).await? {
        true => connection.leave(Leave::Close).await,
        false => Ok(()),
    }
}
