//! The client: it subscribes all connections in one process and one thread, and measures what they
//! receive.
//!
//! It must be cheaper than any server. So it uses epoll and one buffer for all connections, and it
//! parses only as much of a websocket frame as it needs to find the next text.

mod connection;
mod frame;
mod tally;

use std::{
    io::{ErrorKind, Read, stdin},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use serde::{Deserialize, Serialize};

use self::{connection::Connection, tally::Tally};
use super::host;

/// Maximum number of bytes of one read.
const BUFFER: usize = 256 * 1024;
/// Maximum number of readable connections that one poll reports.
const EVENTS: usize = 512;

/// The server to connect to, and the subscriptions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    pub address: String,
    pub model: String,
    pub groups: i32,
    /// Subscribers of each group.
    pub subscribers: usize,
}

/// What the client must wait for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expected {
    pub deliveries: u64,
    /// When the client stops waiting, by [`host::now`].
    pub deadline: u64,
}

/// What the client received.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub deliveries: u64,
    pub reads: u64,
    pub bytes: u64,
    /// Resets, which a server sends instead of broadcasts that it dropped.
    pub resets: u64,
    /// Connections that the server ended.
    pub closed: u64,
    /// Texts that are not broadcasts of the connection's group.
    pub unexpected: u64,
    /// From when the first broadcast was due until the last one arrived.
    pub elapsed: Duration,
    /// Processor time of the client in this time.
    pub used: Duration,
    pub p50: Duration,
    pub p99: Duration,
}

/// Connects, prints the number of connections, and prints a report for each line of input.
pub fn run(plan: &Plan) {
    host::pin(host::OF_CLIENT);
    rest_live_benches::raise_files();
    let connections = connection::connect(plan);
    println!("{}", connections.len());
    let mut client = Client::new(connections);
    for line in stdin().lines() {
        let expected = serde_json::from_str(&line.unwrap()).unwrap();
        let report = client.receive(&expected);
        println!("{}", serde_json::to_string(&report).unwrap());
    }
}

struct Client {
    connections: Vec<Connection>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
}

impl Client {
    fn new(connections: Vec<Connection>) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for (index, connection) in connections.iter().enumerate() {
            connection.stream.set_nonblocking(true).unwrap();
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &connection.stream, data, epoll::EventFlags::IN).unwrap();
        }
        Self {
            connections,
            epoll,
            buffer: vec![0; BUFFER],
        }
    }

    fn receive(&mut self, expected: &Expected) -> Report {
        let used = host::used();
        let mut tally = Tally::new(expected.deliveries);
        let mut events = Vec::with_capacity(EVENTS);
        while tally.report.deliveries < expected.deliveries {
            let left = expected.deadline.saturating_sub(host::now());
            if left == 0 {
                break;
            }
            let left = Timespec::try_from(Duration::from_nanos(left)).unwrap();
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&left)).unwrap();
            for event in &events {
                let index = event.data.u64();
                self.read(index as usize, &mut tally);
            }
        }
        Report {
            used: host::used() - used,
            ..tally.report()
        }
    }

    fn read(&mut self, index: usize, tally: &mut Tally) {
        let connection = &mut self.connections[index];
        let kept = connection.partial.len();
        self.buffer[..kept].copy_from_slice(&connection.partial);
        let read = connection.stream.read(&mut self.buffer[kept..]);
        let read = match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            read => read.unwrap_or(0),
        };
        if read == 0 {
            epoll::delete(&self.epoll, &connection.stream).unwrap();
            tally.report.closed += 1;
            return;
        }
        tally.begin_read(read);
        let mut rest = &self.buffer[..kept + read];
        while let Some((frame, after)) = frame::next(rest) {
            rest = after;
            tally.count(&frame, &connection.broadcast);
        }
        connection.partial.clear();
        connection.partial.extend_from_slice(rest);
    }
}
