//! Says much at once: requests that are valid, nonsense, pings, fragments; some never read the answers.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    ground::Place,
};

/// Messages of a burst: the server takes 1,000 at once.
const BURST: usize = 800;
/// So many that the server closes: it refuses ten bursts of its own before.
const TORRENT: usize = 14_000;
const BURSTS: usize = 5;
const PAUSE: Duration = Duration::from_secs(3);
/// At most, with nothing read of the answers to a torrent.
const NOTHING: Duration = Duration::from_secs(30);

pub async fn play(place: &mut Place<'_>) -> io::Result<()> {
    let dialect = *place.dice.choice(&Dialect::ALL).unwrap();
    let reads = !place.one_in(3);
    let buffer = if reads { Buffer::Usual } else { Buffer::Tiny };
    let mut connection = Connection::open(place, buffer, false, &[]).await?;
    if place.one_in(8) {
        return torrent(place, connection, reads).await;
    }
    for _ in 0..place.dice.usize(1..=BURSTS) {
        let count = place.dice.usize(1..=BURST);
        let burst = burst(place, dialect, count);
        connection.send(&burst).await?;
        match reads {
            true => {
                let time = place.time(PAUSE);
                if !connection.read(time).await? {
                    return Ok(());
                }
            }
            false => place.pause(PAUSE).await,
        }
    }
    let how = *place.dice.choice(&Leave::ALL).unwrap();
    connection.leave(how).await
}

/// Returns messages of one kind.
fn burst(place: &mut Place<'_>, dialect: Dialect, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    match place.dice.u32(..4) {
        0 => (0..count).for_each(|_| bytes.extend(request(place, dialect))),
        1 => {
            let nonsense = [
                "",
                "{",
                "[[[[[[[[",
                "{\"model\":1}",
                "null",
                "\u{1F980}",
                "{\"id\":{}}",
            ];
            let all = (0..count).map(|_| *place.dice.choice(&nonsense).unwrap());
            all.for_each(|text| bytes.extend(frame::text(text)));
        }
        2 => bytes = frame::masked(frame::PING, &[b'x'; 125]).repeat(count),
        _ => {
            bytes.extend(frame::masked(frame::BEGINNING, b"["));
            bytes.extend(frame::masked(frame::CONTINUATION, b"[").repeat(count));
            bytes.extend(frame::masked(0x80, b"]"));
        }
    }
    bytes
}

/// Returns a request that is valid.
fn request(place: &mut Place<'_>, dialect: Dialect) -> Vec<u8> {
    let list = place.dice.i32(2..=50);
    frame::text(&match place.dice.u32(..8) {
        0..4 => dialect.subscribe(list),
        4..7 => dialect.unsubscribe(list),
        _ => dialect.follow(place.dice.i32(1..=30)),
    })
}

/// Says so much that the server closes, whether it is read or not.
async fn torrent(
    place: &mut Place<'_>,
    mut connection: Connection<'_>,
    reads: bool,
) -> io::Result<()> {
    for _ in 0..TORRENT / 100 {
        connection.send(&frame::text("no").repeat(100)).await?;
        if reads && !connection.read(Duration::from_millis(1)).await? {
            return Ok(());
        }
    }
    if reads {
        return connection.be_closed().await;
    }
    // The answers wait, until the server has enough of it.
    place.pause(NOTHING).await;
    connection.read(PAUSE).await?;
    connection.leave(Leave::Drop).await
}
