//! Checks what is left when clients have disconnected, and how the server shuts down.

use std::{io, net::Ipv4Addr, time::Duration};

use fastrand::Rng;

use super::{
    connection::{Buffer, Connection},
    dialect::Dialect,
    frame,
    process::Server,
    swarm::{Actor, Swarm},
    verdict::Verdict,
    wait::until,
};

/// How long the server may take to clean up after clients. By its limits, it takes 10 s to notice
/// that a client has stalled, and 10 s to close that connection.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections during the shutdown that do not answer the server's close frame.
const SILENT: i32 = 20;
/// How long a shutdown may take. The server waits 10 s for the silent connections.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(15);

/// Waits until the server has exactly `expected` connections, after an event.
pub async fn wait_for_connections(server: &mut Server, event: &str, expected: usize) -> Verdict {
    let mut connections = 0;
    let waiting = until(CLEANUP_TIMEOUT, async || {
        connections = server.counts().await.connections;
        connections == expected
    });
    let time = waiting.await;
    let details = match time {
        Some(time) => format!(
            "{connections} connections {:.1} s after {event}",
            time.as_secs_f64()
        ),
        None => format!(
            "{connections} connections {} s after {event}, expected {expected}",
            CLEANUP_TIMEOUT.as_secs()
        ),
    };
    Verdict::new("connections", time.is_some(), details)
}

/// Waits until the server has as many tasks as before.
pub async fn wait_for_tasks(server: &mut Server, before: usize) -> Verdict {
    let mut tasks = 0;
    let waiting = until(CLEANUP_TIMEOUT, async || {
        tasks = server.counts().await.tasks;
        tasks == before
    });
    let time = waiting.await;
    let details = format!("{tasks} are alive; before the first connection, {before} were");
    Verdict::new("tasks", time.is_some(), details)
}

/// Shuts the server down while clients do not answer.
pub async fn shutdown(server: &mut Server, swarm: &Swarm) -> Verdict {
    let name = "shutdown";
    let mut silent = Vec::new();
    for list in 1..=SILENT {
        match connect(swarm, list).await {
            Ok(connection) => silent.push(connection),
            Err(error) => {
                let details = format!("a client could not connect: {error}");
                return Verdict::new(name, false, details);
            }
        }
    }
    let time = server.shutdown().await;
    let left = server.counts().await.connections;
    let details = format!(
        "returned after {:.1} s, with {SILENT} clients that did not answer; {left} connections are left",
        time.as_secs_f64()
    );
    Verdict::new(name, time <= SHUTDOWN_TIMEOUT && left == 0, details)
}

async fn connect(swarm: &Swarm, list: i32) -> io::Result<Connection<'_>> {
    let mut actor = Actor {
        swarm,
        address: Ipv4Addr::LOCALHOST,
        dice: Rng::new(),
    };
    let request = frame::text(&Dialect::V1.subscribe(list));
    Connection::open(&mut actor, Buffer::Default, true, &request).await
}
