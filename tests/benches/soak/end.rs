//! What is left when clients have gone, and how the server ends.

use std::{io, net::Ipv4Addr, time::Duration};

use fastrand::Rng;

use super::{
    connection::{Buffer, Connection},
    dialect::Dialect,
    frame,
    ground::{Ground, Place},
    process::Server,
    verdict::Verdict,
    wait::until,
};

/// So long the server may take for what clients leave behind. Its own limits are 10 s to find out that one has stalled, and
/// 10 s to give up on it.
const GONE: Duration = Duration::from_secs(60);

/// Connections that the server is shut down with: they do not answer its close.
const SILENT: i32 = 20;
/// So long a shutdown may take: it waits 10 s for those.
const SHUTDOWN: Duration = Duration::from_secs(15);

/// Waits until the server has exactly these connections, behind those who went.
pub async fn gone(server: &mut Server, who: &str, left: usize) -> Verdict {
    let mut connections = 0;
    let took = until(GONE, async || {
        connections = server.counts().await.connections;
        connections == left
    });
    let took = took.await;
    let says = match took {
        Some(took) => format!(
            "{connections} connections {:.1} s after {who} went",
            took.as_secs_f64()
        ),
        None => format!(
            "{connections} connections {} s after {who} went, and not {left}",
            GONE.as_secs()
        ),
    };
    Verdict::new("gone", took.is_some(), says)
}

/// Waits until the server has as many tasks as before.
pub async fn as_before(server: &mut Server, before: usize) -> Verdict {
    let mut tasks = 0;
    let took = until(GONE, async || {
        tasks = server.counts().await.tasks;
        tasks == before
    });
    let took = took.await;
    let says = format!("{tasks} are alive, {before} were before the first connection");
    Verdict::new("tasks", took.is_some(), says)
}

/// Shuts the server down under clients who do not answer.
pub async fn shutdown(server: &mut Server, ground: &Ground) -> Verdict {
    let name = "shutdown";
    let mut silent = Vec::new();
    for list in 1..=SILENT {
        match connect(ground, list).await {
            Ok(connection) => silent.push(connection),
            Err(error) => return Verdict::new(name, false, format!("nobody can connect: {error}")),
        }
    }
    let took = server.shutdown().await;
    let left = server.counts().await.connections;
    let says = format!(
        "returned after {:.1} s, with {SILENT} clients who did not answer; {left} connections are left",
        took.as_secs_f64()
    );
    Verdict::new(name, took <= SHUTDOWN && left == 0, says)
}

async fn connect(ground: &Ground, list: i32) -> io::Result<Connection<'_>> {
    let mut place = Place {
        ground,
        from: Ipv4Addr::LOCALHOST,
        dice: Rng::new(),
    };
    let request = frame::text(&Dialect::V1.subscribe(list));
    Connection::open(&mut place, Buffer::Usual, true, &request).await
}
