//! Opens and subscribes the connections.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{
    Plan,
    frame::{self, Frame},
};
use crate::protocol;

/// Maximum number of concurrent handshakes.
const MAX_CONCURRENT_HANDSHAKES: usize = 64;

/// How long a server may send nothing before the bench fails.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A subscribed connection.
pub struct Connection {
    pub stream: TcpStream,
    /// The beginning of each of its broadcasts.
    pub broadcast: String,
    /// The bytes of an incomplete frame.
    pub partial: Vec<u8>,
}

/// Returns the connections, all of them subscribed. The groups take turns.
pub fn connect(plan: &Plan) -> Vec<Connection> {
    let groups: Vec<i32> = (0..plan.subscribers).flat_map(|_| 0..plan.groups).collect();
    let mut connections = Vec::with_capacity(groups.len());
    for groups in groups.chunks(MAX_CONCURRENT_HANDSHAKES) {
        let opened: Vec<_> = groups.iter().map(|group| open(plan, *group)).collect();
        connections.extend(opened.into_iter().map(Connection::wait_until_subscribed));
    }
    connections
}

/// Connects, and sends the handshake and the request together.
fn open(plan: &Plan, group: i32) -> Connection {
    let mut stream = TcpStream::connect(&plan.address).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    let mut bytes = handshake(&plan.address).into_bytes();
    let request = protocol::subscribe(&plan.model, group);
    let length = u8::try_from(request.len())
        .ok()
        .filter(|length| *length < 126);
    // A client's frame must be masked. A mask of zeros does not change the payload.
    bytes.extend([0x81, 0x80 | length.expect("a request is short"), 0, 0, 0, 0]);
    bytes.extend(request.as_bytes());
    stream.write_all(&bytes).unwrap();
    Connection {
        stream,
        broadcast: protocol::broadcast(&plan.model, group),
        partial: Vec::new(),
    }
}

fn handshake(host: &str) -> String {
    let path = protocol::PATH;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

impl Connection {
    /// Waits until the server acknowledges the subscription.
    fn wait_until_subscribed(mut self) -> Self {
        let mut answer = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            let read = self.stream.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "the server hung up: {}", answer.escape_ascii());
            answer.extend_from_slice(&bytes[..read]);
            let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            if let Some((Frame::Text(text), after)) = frame::next(&answer[end + 4..]) {
                assert!(
                    answer.starts_with(b"HTTP/1.1 101")
                        && text.starts_with(protocol::SUBSCRIBED.as_bytes())
                        && after.is_empty(),
                    "{}",
                    answer.escape_ascii()
                );
                return self;
            }
        }
    }
}
