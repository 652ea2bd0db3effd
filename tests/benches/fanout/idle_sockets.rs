//! Measures the memory of a connection that is subscribed and receives nothing.

use rest_live_benches::{median, raise_files};

use super::{
    claim::Claim,
    process::{Client, Server},
    servers::Variant,
    shapes::RUNS,
    table::{Findings, Table},
};

const CONNECTIONS: usize = 10_000;

/// Files that a process has open besides its sockets.
const OTHER_FILES: usize = 100;

/// The servers. TCP_NODELAY needs no memory, so chat is measured only once.
const SERVERS: [Variant; 4] = [
    Variant::RestLive,
    Variant::Chat,
    Variant::Careful,
    Variant::Axum,
];

pub fn measure() -> Findings {
    let connections = CONNECTIONS.min(raise_files() - OTHER_FILES);
    let sizes = SERVERS.map(|variant| {
        let runs = (0..RUNS).map(|_| connection_kib(variant, connections));
        median(runs.collect())
    });
    let row = |(variant, kib): (&Variant, &f64)| {
        let name = variant.name().to_owned();
        vec![name, connections.to_string(), format!("{kib:.2}")]
    };
    Findings {
        table: Table {
            head: vec!["server", "connections", "KiB each"],
            rows: SERVERS.iter().zip(&sizes).map(row).collect(),
        },
        claims: vec![Claim::at_most("KiB of a connection", 3.0, sizes[0])],
    }
}

/// Returns the memory of a connection in KiB.
fn connection_kib(variant: Variant, connections: usize) -> f64 {
    let server = Server::start(variant);
    let before = server.resident();
    let _client = Client::connect(&server, 1, connections);
    (server.resident() - before) / connections as f64
}
