//! One client: what it asks for, and what it must be told, each row once and in order, behind the answer to its request.

use std::{io::Write, net::TcpStream, time::Instant};

use rest_live_benches::frame;

use super::super::{ClientPlan, EVENTS, LISTS, OF_CLIENT, Report};
use crate::model::{SUBSCRIBED, number, subscribe, told};

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
    pub began: Instant,
    /// What has come of a frame that has not come in full.
    pub begun: Vec<u8>,
    /// The first of its lists.
    first: usize,
    lists: [List; OF_CLIENT],
}

#[derive(Clone, Copy, Default)]
struct List {
    is_subscribed: bool,
    /// Rows that came.
    seen: usize,
}

impl Connection {
    /// Connects, and sends the handshake.
    pub fn begin(plan: &ClientPlan, place: usize) -> Self {
        let began = Instant::now();
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
            began,
            begun: Vec::new(),
            first: place * OF_CLIENT % LISTS,
            lists: Default::default(),
        }
    }

    /// Takes in what has come, and returns what is to come again with the rest of its frame.
    pub fn take<'b>(
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
            self.ask(plan.since.as_deref());
        }
        while let Some((kind, text, behind)) = frame::first(bytes) {
            report.bytes += (bytes.len() - behind.len()) as u64;
            bytes = behind;
            let text = std::str::from_utf8(text).ok().filter(|_| kind == 0x81);
            let is_right = text.is_some_and(|text| self.check(text, plan, report));
            report.wrong += u64::from(!is_right);
        }
        let lists = self.lists.iter().enumerate();
        let mut missing = lists.filter(|(place, list)| {
            !list.is_subscribed || list.seen < expected(self.first + place, plan)
        });
        if self.state == State::Waiting && missing.next().is_none() {
            self.state = State::Complete;
        }
        bytes
    }

    /// Asks for all of its lists in one write.
    fn ask(&mut self, since: Option<&str>) {
        let mut bytes = Vec::new();
        for place in 0..OF_CLIENT {
            let request = subscribe(place, (self.first + place) as i32, since);
            // Masked, as a client's frame has to be: with zeros, which leave it as it is.
            let length = u8::try_from(request.len()).ok();
            let length = length.filter(|length| *length < 126);
            bytes.extend([0x81, 0x80 | length.expect("a request is short"), 0, 0, 0, 0]);
            bytes.extend(request.as_bytes());
        }
        self.stream.write_all(&bytes).unwrap();
    }

    /// Returns whether a text is what comes next of one of its lists.
    fn check(&mut self, text: &str, plan: &ClientPlan, report: &mut Report) -> bool {
        if let Some(rest) = text.strip_prefix(SUBSCRIBED) {
            report.subscribed += 1;
            let Some((place, rest)) = number(rest) else {
                return false;
            };
            let list = self.lists.get_mut(place as usize);
            let is_first =
                list.is_some_and(|list| !std::mem::replace(&mut list.is_subscribed, true));
            return is_first && rest.ends_with(r#""recovered":true}"#);
        }
        let Some((list, id)) = told(text, "CREATED") else {
            return false;
        };
        report.replayed += 1;
        let list = list as usize;
        let place = list.checked_sub(self.first);
        let Some(known) = place.and_then(|place| self.lists.get_mut(place)) else {
            return false;
        };
        let next = list + 1 + known.seen * LISTS;
        known.seen += 1;
        known.is_subscribed && known.seen <= expected(list, plan) && next == id as usize
    }
}

/// Returns how many rows of a list a client has missed.
fn expected(list: usize, plan: &ClientPlan) -> usize {
    match plan.since {
        Some(_) => (EVENTS - list).div_ceil(LISTS),
        None => 0,
    }
}
