//! What a connection weighs that is subscribed and hears nothing.

use rest_live_benches::{median, raise_files};

use super::{
    claim::Claim,
    process::{Client, Server},
    servers::Variant,
    shapes::RUNS,
    table::{Findings, Table},
};

const CONNECTIONS: usize = 10_000;

/// A process has some files beside its sockets.
const OTHER_FILES: usize = 100;

/// TCP_NODELAY weighs nothing: chat is measured once.
const SERVERS: [Variant; 4] = [
    Variant::RestLive,
    Variant::Chat,
    Variant::Careful,
    Variant::Axum,
];

pub fn measure() -> Findings {
    let connections = CONNECTIONS.min(raise_files() - OTHER_FILES);
    let weights = SERVERS.map(|variant| {
        let runs = (0..RUNS).map(|_| weigh(variant, connections));
        median(runs.collect())
    });
    let row = |(variant, weight): (&Variant, &f64)| {
        let name = variant.name().to_owned();
        vec![name, connections.to_string(), format!("{weight:.2}")]
    };
    Findings {
        table: Table {
            head: vec!["server", "connections", "KiB each"],
            rows: SERVERS.iter().zip(&weights).map(row).collect(),
        },
        claims: vec![Claim::at_most("KiB of a connection", 3.0, weights[0])],
    }
}

fn weigh(variant: Variant, connections: usize) -> f64 {
    let server = Server::start(variant);
    let before = server.resident();
    let _client = Client::connect(&server, 1, connections);
    (server.resident() - before) / connections as f64
}
