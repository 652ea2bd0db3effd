//! All clients, in one process and one thread on the second core. Each client connects, and
//! subscribes to its lists in one write after the handshake. Every frame is checked.

mod connection;

use std::{
    io::{ErrorKind, Read},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use self::connection::{Connection, State};
use super::{ClientPlan, Report};
use crate::host;

/// Maximum number of concurrent handshakes. With more, the kernel would turn some away for a
/// second.
const MAX_CONCURRENT_HANDSHAKES: usize = 512;
/// Maximum number of bytes of one read.
const BUFFER: usize = 256 * 1024;
/// Maximum number of readable connections that one poll reports.
const EVENTS: usize = 512;
/// How long the clients may receive nothing before they are complete.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to read after all clients are complete. Frames in this time are errors.
const EXTRA_READ_TIME: Duration = Duration::from_millis(300);

/// Connects all clients, and prints the report.
pub fn run(plan: &ClientPlan) {
    host::pin(host::OF_CLIENT);
    rest_live_benches::raise_files();
    let report = Client::new(plan).run_storm();
    println!("{}", serde_json::to_string(&report).unwrap());
}

struct Client<'p> {
    plan: &'p ClientPlan,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    upgrading: usize,
    complete: usize,
    report: Report,
    /// The time of each client that has everything.
    times: Vec<Duration>,
}

impl<'p> Client<'p> {
    fn new(plan: &'p ClientPlan) -> Self {
        Self {
            plan,
            connections: Vec::with_capacity(plan.clients),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            buffer: vec![0; BUFFER],
            upgrading: 0,
            complete: 0,
            report: Report::default(),
            times: Vec::with_capacity(plan.clients),
        }
    }

    fn run_storm(mut self) -> Report {
        let start = Instant::now();
        let used = host::used();
        while self.complete < self.plan.clients {
            while self.connections.len() < self.plan.clients
                && self.upgrading < MAX_CONCURRENT_HANDSHAKES
            {
                self.connect();
            }
            assert!(
                self.poll(READ_TIMEOUT),
                "only {} clients have everything",
                self.complete
            );
        }
        self.report.elapsed = start.elapsed();
        self.report.used = host::used() - used;
        while self.poll(EXTRA_READ_TIME) {}
        self.times.sort_unstable();
        let quantile = |percent: usize| self.times[(self.times.len() - 1) * percent / 100];
        Report {
            p50: quantile(50),
            p99: quantile(99),
            ..self.report
        }
    }

    fn connect(&mut self) {
        let index = self.connections.len();
        let connection = Connection::open(self.plan, index);
        let data = epoll::EventData::new_u64(index as u64);
        let flags = epoll::EventFlags::IN;
        epoll::add(&self.epoll, &connection.stream, data, flags).unwrap();
        self.connections.push(connection);
        self.upgrading += 1;
    }

    /// Reads what has arrived. Returns whether anything did within the time.
    fn poll(&mut self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).unwrap();
        let mut events = Vec::with_capacity(EVENTS);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)).unwrap();
        for event in &events {
            self.read(event.data.u64() as usize);
        }
        !events.is_empty()
    }

    fn read(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let kept = connection.partial.len();
        self.buffer[..kept].copy_from_slice(&connection.partial);
        let read = match connection.stream.read(&mut self.buffer[kept..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            read => read.unwrap(),
        };
        assert_ne!(read, 0, "the server hung up");
        let old_state = connection.state;
        let bytes = &self.buffer[..kept + read];
        let rest = connection.receive(bytes, self.plan, &mut self.report);
        connection.partial.clear();
        connection.partial.extend_from_slice(rest);
        if old_state == State::Upgrading && connection.state != old_state {
            self.upgrading -= 1;
        }
        if old_state != State::Complete && connection.state == State::Complete {
            self.complete += 1;
            self.times.push(connection.start.elapsed());
        }
    }
}
