//! Limits how often a message is logged that any client can cause.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Minimum time between two messages.
const INTERVAL: Duration = Duration::from_secs(60);

/// Allows one message per minute, and counts those between.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// Returns how many messages were suppressed since the last one, if a message is allowed now.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        let is_early = |last| now.saturating_duration_since(last) < INTERVAL;
        if state.last.is_some_and(is_early) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_a_minute_is_allowed() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let at = |seconds| limit.admit(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(0), None);
        assert_eq!(at(59), None);
        assert_eq!(at(60), Some(2));
        assert_eq!(at(61), None);
        assert_eq!(at(121), Some(1));
    }
}
