//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const MIN_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Nothing before the first attempt, then twice as long each time, to a second; less by a random part, so that nodes
/// that lost Redis in one moment do not come back in one.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// Waits until the next attempt is due.
    pub(crate) async fn wait(&mut self) {
        let delay = self.0;
        self.0 = Some(delay.map_or(MIN_DELAY, |delay| (delay * 2).min(MAX_DELAY)));
        if let Some(delay) = delay {
            // The standard library seeds each of them anew.
            let part = RandomState::new().hash_one(()) % 500;
            tokio::time::sleep(delay - delay * part as u32 / 1000).await;
        }
    }

    /// Says that an attempt went well.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}
