//! The server process, seen from the process of the clients: it reads commands as lines, and
//! answers with lines of JSON. It ends when its handle is dropped.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::wait::within;

/// The argument that makes this program the server.
pub const SERVER: &str = "server";

/// How long the server may take to answer a command. It is longer than a shutdown may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What the server counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Counts {
    pub connections: usize,
    /// Tasks that are alive in its runtime.
    pub tasks: usize,
    /// Resident memory in KiB.
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
    /// Starts the server, and returns when it listens.
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
        self.command("counts").await
    }

    /// Starts the writers of the server.
    pub async fn write(&mut self) {
        self.command::<()>("write").await;
    }

    /// Stops the writers of the server, and returns the last number that was written.
    pub async fn stop_writing(&mut self) -> u64 {
        self.command("stop writing").await
    }

    /// Shuts the server down, and returns how long that took.
    pub async fn shutdown(&mut self) -> Duration {
        self.command("shutdown").await
    }

    async fn command<T: DeserializeOwned>(&mut self, command: &str) -> T {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        answer(&mut self.lines, command).await
    }
}

async fn answer<T: DeserializeOwned>(
    lines: &mut Lines<BufReader<ChildStdout>>,
    command: &str,
) -> T {
    let line = within(
        ANSWER_TIMEOUT,
        &format!("the answer to {command:?}"),
        lines.next_line(),
    )
    .await;
    let line = line
        .unwrap()
        .expect("the server has ended; it has printed the reason");
    serde_json::from_str(&line).unwrap()
}
