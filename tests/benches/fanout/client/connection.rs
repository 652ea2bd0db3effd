//! Opens the connections and subscribes them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{
    Plan,
    frame::{self, Frame},
};
use crate::wire;

/// So many handshakes are under way at once.
const AT_ONCE: usize = 64;

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A subscribed connection.
pub struct Connection {
    pub stream: TcpStream,
    /// How each of its broadcasts begins.
    pub broadcast: String,
    /// A frame of which only the beginning has come.
    pub begun: Vec<u8>,
}

/// Returns the connections, group by group in turn, each of them acknowledged.
pub fn connect(plan: &Plan) -> Vec<Connection> {
    let groups: Vec<i32> = (0..plan.subscribers).flat_map(|_| 0..plan.groups).collect();
    let mut connections = Vec::with_capacity(groups.len());
    for groups in groups.chunks(AT_ONCE) {
        let begun: Vec<_> = groups.iter().map(|group| begin(plan, *group)).collect();
        connections.extend(begun.into_iter().map(Connection::subscribed));
    }
    connections
}

/// Sends the handshake, and right behind it the request.
fn begin(plan: &Plan, group: i32) -> Connection {
    let mut stream = TcpStream::connect(&plan.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = handshake(&plan.address).into_bytes();
    let request = wire::subscribe(&plan.model, group);
    let length = u8::try_from(request.len())
        .ok()
        .filter(|length| *length < 126);
    // Masked, as a client's frame has to be: with zeros, which leave it as it is.
    bytes.extend([0x81, 0x80 | length.expect("a request is short"), 0, 0, 0, 0]);
    bytes.extend(request.as_bytes());
    stream.write_all(&bytes).unwrap();
    Connection {
        stream,
        broadcast: wire::broadcast(&plan.model, group),
        begun: Vec::new(),
    }
}

fn handshake(host: &str) -> String {
    let path = wire::PATH;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

impl Connection {
    /// Waits until the server has said that it is subscribed.
    fn subscribed(mut self) -> Self {
        let mut answer = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            let read = self.stream.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "the server hung up: {}", answer.escape_ascii());
            answer.extend_from_slice(&bytes[..read]);
            let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            if let Some((Frame::Text(text), behind)) = frame::next(&answer[end + 4..]) {
                assert!(
                    answer.starts_with(b"HTTP/1.1 101")
                        && text.starts_with(wire::SUBSCRIBED.as_bytes())
                        && behind.is_empty(),
                    "{}",
                    answer.escape_ascii()
                );
                return self;
            }
        }
    }
}
