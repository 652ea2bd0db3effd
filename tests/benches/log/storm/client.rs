//! All the clients, in one process and one thread on the second core. Each connects, and asks for its lists in one write as
//! soon as it is a websocket; every frame is looked at.

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

/// So many handshakes are under way at once: more than that, and the kernel would turn some away for a second.
const AT_ONCE: usize = 512;
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
/// Connections that have something to read, told at once.
const EVENTS: usize = 512;
/// After so long without a byte nothing more comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// When all have everything, what comes yet is too much.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// Comes back, and says what came.
pub fn run(plan: &ClientPlan) {
    host::pin(host::OF_CLIENT);
    rest_live_benches::raise_files();
    let report = Client::new(plan).storm();
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
    /// Of each client that has everything.
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

    fn storm(mut self) -> Report {
        let start = Instant::now();
        let used = host::used();
        while self.complete < self.plan.clients {
            while self.connections.len() < self.plan.clients && self.upgrading < AT_ONCE {
                self.connect();
            }
            assert!(self.listen(PATIENCE), "{} have everything", self.complete);
        }
        self.report.elapsed = start.elapsed();
        self.report.used = host::used() - used;
        while self.listen(AFTERWARDS) {}
        self.times.sort_unstable();
        let quantile = |percent: usize| self.times[(self.times.len() - 1) * percent / 100];
        Report {
            p50: quantile(50),
            p99: quantile(99),
            ..self.report
        }
    }

    fn connect(&mut self) {
        let place = self.connections.len();
        let connection = Connection::begin(self.plan, place);
        let data = epoll::EventData::new_u64(place as u64);
        let flags = epoll::EventFlags::IN;
        epoll::add(&self.epoll, &connection.stream, data, flags).unwrap();
        self.connections.push(connection);
        self.upgrading += 1;
    }

    /// Reads what has come; returns whether anything did within a time.
    fn listen(&mut self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).unwrap();
        let mut events = Vec::with_capacity(EVENTS);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)).unwrap();
        for event in &events {
            self.read(event.data.u64() as usize);
        }
        !events.is_empty()
    }

    fn read(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let kept = connection.begun.len();
        self.buffer[..kept].copy_from_slice(&connection.begun);
        let read = match connection.stream.read(&mut self.buffer[kept..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            read => read.unwrap(),
        };
        assert_ne!(read, 0, "the server hung up");
        let was = connection.state;
        let bytes = &self.buffer[..kept + read];
        let rest = connection.take(bytes, self.plan, &mut self.report);
        connection.begun.clear();
        connection.begun.extend_from_slice(rest);
        if was == State::Upgrading && connection.state != was {
            self.upgrading -= 1;
        }
        if was != State::Complete && connection.state == State::Complete {
            self.complete += 1;
            self.times.push(connection.began.elapsed());
        }
    }
}
