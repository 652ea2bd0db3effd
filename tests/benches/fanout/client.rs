//! All the connections, in one process and one thread: it subscribes them, and measures what they receive. It has to be
//! cheaper than any server: epoll, one buffer for all of them, and no more understanding of websockets than it takes to
//! find the next text.

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

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
/// Connections that have something to read, told at once.
const EVENTS: usize = 512;

/// Whom to connect to, and what for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    pub address: String,
    pub model: String,
    pub groups: i32,
    /// Of each group.
    pub subscribers: usize,
}

/// What is about to come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expected {
    pub deliveries: u64,
    /// Nothing is waited for any longer, by [`host::now`].
    pub deadline: u64,
}

/// What came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub deliveries: u64,
    pub reads: u64,
    pub bytes: u64,
    /// Told instead of broadcasts that a server dropped.
    pub resets: u64,
    /// Connections that the server ended.
    pub closed: u64,
    /// What is no broadcast of the connection's group.
    pub strangers: u64,
    /// From when the first was due to when the last came.
    pub elapsed: Duration,
    /// Processor time of the client meanwhile.
    pub used: Duration,
    pub p50: Duration,
    pub p99: Duration,
}

/// Connects, says so, and for each line of input reports what came.
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
        for (place, connection) in connections.iter().enumerate() {
            connection.stream.set_nonblocking(true).unwrap();
            let data = epoll::EventData::new_u64(place as u64);
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
                let place = event.data.u64();
                self.read(place as usize, &mut tally);
            }
        }
        Report {
            used: host::used() - used,
            ..tally.report()
        }
    }

    fn read(&mut self, place: usize, tally: &mut Tally) {
        let connection = &mut self.connections[place];
        let kept = connection.begun.len();
        self.buffer[..kept].copy_from_slice(&connection.begun);
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
        while let Some((frame, behind)) = frame::next(rest) {
            rest = behind;
            tally.count(&frame, &connection.broadcast);
        }
        connection.begun.clear();
        connection.begun.extend_from_slice(rest);
    }
}
