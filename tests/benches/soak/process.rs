//! The server's process, as the clients' has it: lines of words in, lines of JSON out. It ends when this one lets go of it.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::wait::within;

/// The argument that makes this program the server.
pub const SERVER: &str = "server";

/// A server that answers no line for so long has failed. It is longer than a shutdown may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server has.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Counts {
    pub connections: usize,
    /// Of its runtime.
    pub tasks: usize,
    /// Memory, in KiB.
    pub resident: u64,
    pub panics: usize,
}

pub struct Server {
    pub address: SocketAddr,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    _child: Child,
}

impl Server {
    /// Starts it, and returns once it listens.
    pub async fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(SERVER).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            address: answer(&mut lines, "the address").await,
            lines,
            input: child.stdin.take().unwrap(),
            _child: child,
        }
    }

    pub async fn counts(&mut self) -> Counts {
        self.ask("counts").await
    }

    /// Has it write from now on.
    pub async fn write(&mut self) {
        self.ask::<()>("write").await;
    }

    /// Has it write no more, and returns the last number that it wrote.
    pub async fn stop_writing(&mut self) -> u64 {
        self.ask("stop writing").await
    }

    /// Has it shut down, and returns how long that took.
    pub async fn shutdown(&mut self) -> Duration {
        self.ask("shutdown").await
    }

    async fn ask<T: DeserializeOwned>(&mut self, what: &str) -> T {
        let line = format!("{what}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        answer(&mut self.lines, what).await
    }
}

async fn answer<T: DeserializeOwned>(lines: &mut Lines<BufReader<ChildStdout>>, to: &str) -> T {
    let line = within(
        PATIENCE,
        &format!("the answer to {to:?}"),
        lines.next_line(),
    )
    .await;
    let line = line
        .unwrap()
        .expect("the server has ended: it has said why");
    serde_json::from_str(&line).unwrap()
}
