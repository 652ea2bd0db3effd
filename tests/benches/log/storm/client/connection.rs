//! One client. It checks that it receives the answer to each request, and after it each missed row
//! once and in order.

use std::{io::Write, net::TcpStream, time::Instant};

use rest_live_benches::frame;

use super::super::{ClientPlan, EVENTS, LISTS, LISTS_PER_CLIENT, Report};
use crate::model::{SUBSCRIBED, UNIT_END, parse_broadcast, parse_number, subscribe};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Upgrading,
    Waiting,
    /// It has everything.
    Complete,
}

pub struct Connection {
    pub stream: TcpStream,
    pub state: State,
    pub start: Instant,
    /// The bytes of an incomplete frame.
    pub partial: Vec<u8>,
    /// The first of its lists.
    first: usize,
    lists: [List; LISTS_PER_CLIENT],
}

#[derive(Clone, Copy, Default)]
struct List {
    is_subscribed: bool,
    /// Rows that have arrived.
    seen: usize,
}

impl Connection {
    /// Connects, and sends the handshake.
    pub fn open(plan: &ClientPlan, index: usize) -> Self {
        let start = Instant::now();
        let mut stream = TcpStream::connect(&plan.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let host = &plan.address;
        let handshake = format!(
            "GET /ws/subscribe HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            stream,
            state: State::Upgrading,
            start,
            partial: Vec::new(),
            first: index * LISTS_PER_CLIENT % LISTS,
            lists: Default::default(),
        }
    }

    /// Checks the complete frames, and returns the bytes of an incomplete one.
    pub fn receive<'b>(
        &mut self,
        mut bytes: &'b [u8],
        plan: &ClientPlan,
        report: &mut Report,
    ) -> &'b [u8] {
        if self.state == State::Upgrading {
            let Some(end) = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                return bytes;
            };
            let is_upgraded = bytes.starts_with(b"HTTP/1.1 101");
            assert!(is_upgraded, "{}", bytes.escape_ascii());
            bytes = &bytes[end + 4..];
            self.state = State::Waiting;
            self.subscribe(plan.since.as_deref());
        }
        while let Some((kind, text, rest)) = frame::first(bytes) {
            report.bytes += (bytes.len() - rest.len()) as u64;
            bytes = rest;
            let text = std::str::from_utf8(text).ok().filter(|_| kind == 0x81);
            let is_right = text.is_some_and(|text| self.check(text, plan, report));
            report.wrong += u64::from(!is_right);
        }
        let lists = self.lists.iter().enumerate();
        let mut missing = lists.filter(|(index, list)| {
            !list.is_subscribed || list.seen < expected(self.first + index, plan)
        });
        if self.state == State::Waiting && missing.next().is_none() {
            self.state = State::Complete;
        }
        bytes
    }

    /// Subscribes to all lists of the client in one write.
    fn subscribe(&mut self, since: Option<&str>) {
        let mut bytes = Vec::new();
        for index in 0..LISTS_PER_CLIENT {
            let request = subscribe(index, (self.first + index) as i32, since);
            // A client's frame must be masked. A mask of zeros does not change the payload.
            let length = u8::try_from(request.len()).ok();
            let length = length.filter(|length| *length < 126);
            bytes.extend([0x81, 0x80 | length.expect("a request is short"), 0, 0, 0, 0]);
            bytes.extend(request.as_bytes());
        }
        self.stream.write_all(&bytes).unwrap();
    }

    /// Returns whether a text is the next expected frame of one of the lists.
    fn check(&mut self, text: &str, plan: &ClientPlan, report: &mut Report) -> bool {
        if let Some(rest) = text.strip_prefix(SUBSCRIBED) {
            report.subscribed += 1;
            let Some((index, rest)) = parse_number(rest) else {
                return false;
            };
            let list = self.lists.get_mut(index as usize);
            let is_first =
                list.is_some_and(|list| !std::mem::replace(&mut list.is_subscribed, true));
            return is_first && rest.ends_with(r#""recovered":true}"#);
        }
        // The replay of several rows is a unit.
        if text.starts_with(UNIT_END) {
            return true;
        }
        let Some((list, id)) = parse_broadcast(text, "CREATED") else {
            return false;
        };
        report.replayed += 1;
        let list = list as usize;
        let index = list.checked_sub(self.first);
        let Some(known) = index.and_then(|index| self.lists.get_mut(index)) else {
            return false;
        };
        let next = list + 1 + known.seen * LISTS;
        known.seen += 1;
        known.is_subscribed && known.seen <= expected(list, plan) && next == id as usize
    }
}

/// Returns how many rows of a list a client must receive.
fn expected(list: usize, plan: &ClientPlan) -> usize {
    match plan.since {
        Some(_) => (EVENTS - list).div_ceil(LISTS),
        None => 0,
    }
}
