//! Sends many messages at once: valid requests, nonsense, pings or fragments. Some clients never
//! read the answers.

use std::{io, time::Duration};

use crate::{
    connection::{Buffer, Connection, Leave},
    dialect::Dialect,
    frame,
    swarm::Actor,
};

/// Maximum number of messages of a burst. The server accepts 1,000 at once.
const MAX_BURST: usize = 800;
/// Messages of a torrent: so many that the server closes the connection. Before that, it refuses
/// ten of its own bursts.
const TORRENT: usize = 14_000;
/// Maximum number of bursts.
const MAX_BURSTS: usize = 5;
/// Maximum pause after a burst.
const MAX_PAUSE: Duration = Duration::from_secs(3);
/// Maximum time without reading the answers to a torrent.
const MAX_UNREAD_TIME: Duration = Duration::from_secs(30);

pub async fn play(actor: &mut Actor<'_>) -> io::Result<()> {
    let dialect = *actor.dice.choice(&Dialect::ALL).unwrap();
    let reads = !actor.one_in(3);
    let buffer = if reads { Buffer::Default } else { Buffer::Tiny };
    let mut connection = Connection::open(actor, buffer, false, &[]).await?;
    if actor.one_in(8) {
        return torrent(actor, connection, reads).await;
    }
    for _ in 0..actor.dice.usize(1..=MAX_BURSTS) {
        let count = actor.dice.usize(1..=MAX_BURST);
        let burst = burst(actor, dialect, count);
        connection.send(&burst).await?;
        if reads {
            let time = actor.time(MAX_PAUSE);
            if !connection.read(time).await? {
                return Ok(());
            }
        } else {
            actor.pause(MAX_PAUSE).await;
        }
    }
    let how = *actor.dice.choice(&Leave::ALL).unwrap();
    connection.leave(how).await
}

/// Returns messages of one kind.
fn burst(actor: &mut Actor<'_>, dialect: Dialect, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    match actor.dice.u32(..4) {
        0 => (0..count).for_each(|_| bytes.extend(request(actor, dialect))),
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
            let all = (0..count).map(|_| *actor.dice.choice(&nonsense).unwrap());
            all.for_each(|text| bytes.extend(frame::text(text)));
        }
        2 => bytes = frame::masked(frame::PING, &[b'x'; 125]).repeat(count),
        _ => {
            bytes.extend(frame::masked(frame::FIRST_FRAGMENT, b"["));
            bytes.extend(frame::masked(frame::MIDDLE_FRAGMENT, b"[").repeat(count));
            bytes.extend(frame::masked(frame::LAST_FRAGMENT, b"]"));
        }
    }
    bytes
}

/// Returns a valid request.
fn request(actor: &mut Actor<'_>, dialect: Dialect) -> Vec<u8> {
    let list = actor.dice.i32(2..=50);
    frame::text(&match actor.dice.u32(..10) {
        0..4 => dialect.subscribe(list),
        4..7 => dialect.unsubscribe(list),
        7 => dialect.subscribe_to_row(actor.dice.i32(1..=30)),
        8 => format!(r#"{{"type":"sync","id":{list}}}"#),
        _ => format!(r#"{{"type":"auth","id":{list},"token":"{list}"}}"#),
    })
}

/// Sends so many messages that the server closes the connection, whether or not the client reads.
async fn torrent(
    actor: &mut Actor<'_>,
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
        return connection.wait_for_close().await;
    }
    // The answers stay unread until the server closes the connection.
    actor.pause(MAX_UNREAD_TIME).await;
    connection.read(MAX_PAUSE).await?;
    connection.leave(Leave::Drop).await
}
