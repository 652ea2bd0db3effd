//! The delay between attempts.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The delay before the second attempt.
const MIN_DELAY: Duration = Duration::from_millis(20);
/// Maximum delay between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// No delay before the first attempt, then one that doubles up to a second. A random part is
/// subtracted, so that nodes that lost Redis at the same moment do not all return at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// Waits until the next attempt is due.
    pub(crate) async fn wait(&mut self) {
        let delay = self.0;
        self.0 = Some(delay.map_or(MIN_DELAY, |delay| (delay * 2).min(MAX_DELAY)));
        if let Some(delay) = delay {
            // The standard library seeds each `RandomState` differently.
            let part = RandomState::new().hash_one(()) % 500;
            tokio::time::sleep(delay - delay * part as u32 / 1000).await;
        }
    }

    /// Resets the delay after a successful attempt.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}
