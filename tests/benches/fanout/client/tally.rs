//! Counts the received frames.

use std::time::Duration;

use super::{Report, frame::Frame};
use crate::{host, protocol};

pub struct Tally {
    pub report: Report,
    first_due: u64,
    /// When the bytes of the current read arrived.
    arrived: u64,
    /// The latency of each delivery, in microseconds.
    latencies: Vec<u32>,
}

impl Tally {
    pub fn new(expected: u64) -> Self {
        Self {
            report: Report::default(),
            first_due: u64::MAX,
            arrived: 0,
            latencies: Vec::with_capacity(expected as usize),
        }
    }

    pub fn begin_read(&mut self, bytes: usize) {
        self.arrived = host::now();
        self.report.reads += 1;
        self.report.bytes += bytes as u64;
    }

    /// Counts a frame of a connection whose broadcasts begin with this text.
    pub fn count(&mut self, frame: &Frame<'_>, broadcast: &str) {
        match frame {
            Frame::Text(text) => match text.strip_prefix(broadcast.as_bytes()).and_then(due) {
                Some(due) => self.deliver(due),
                None if text.starts_with(protocol::RESET.as_bytes()) => self.report.resets += 1,
                // It ends the broadcasts of a transaction, and is no delivery.
                None if text.starts_with(protocol::UNIT_END.as_bytes()) => {}
                None => self.report.unexpected += 1,
            },
            // After a close frame, the stream ends. The end is counted.
            Frame::Close | Frame::Other => {}
        }
    }

    fn deliver(&mut self, due: u64) {
        self.report.deliveries += 1;
        self.first_due = self.first_due.min(due);
        let latency = self.arrived.saturating_sub(due) / 1000;
        self.latencies.push(latency.try_into().unwrap_or(u32::MAX));
    }

    pub fn report(mut self) -> Report {
        self.latencies.sort_unstable();
        let quantile = |percent: usize| {
            let last = self.latencies.len().saturating_sub(1);
            let latency = self.latencies.get(last * percent / 100);
            Duration::from_micros(latency.copied().unwrap_or(0).into())
        };
        let elapsed = self.arrived.saturating_sub(self.first_due);
        Report {
            elapsed: Duration::from_nanos(elapsed),
            p50: quantile(50),
            p99: quantile(99),
            ..self.report
        }
    }
}

/// Reads the number at the beginning of a text, if the text ends like a JSON object.
fn due(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let due = digits.fold(0, |number: u64, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'))
    });
    text.ends_with(b"}").then_some(due)
}
