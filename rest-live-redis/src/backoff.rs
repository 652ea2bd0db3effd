//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(20);
const LAST: Duration = Duration::from_secs(1);

/// Nothing before the first attempt, then twice as long each time, to a second; less by a random part, so that nodes
/// that lost Redis in one moment do not come back in one.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// Waits until the next attempt is due.
    pub(crate) async fn wait(&mut self) {
        let most = self.0;
        self.0 = Some(most.map_or(FIRST, |most| (most * 2).min(LAST)));
        if let Some(most) = most {
            // The standard library seeds each of them anew.
            let part = RandomState::new().hash_one(()) % 500;
            tokio::time::sleep(most - most * part as u32 / 1000).await;
        }
    }

    /// Says that an attempt went well.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}
