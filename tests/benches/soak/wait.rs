//! Waiting with a time limit.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Time between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Awaits a future within a time limit.
///
/// # Panics
/// Panics with the name of what is awaited when the time is over.
pub async fn within<T>(time: Duration, name: &str, future: impl Future<Output = T>) -> T {
    let output = timeout(time, future).await;
    output.unwrap_or_else(|_| panic!("{name} did not arrive within {} s", time.as_secs()))
}

/// Polls a condition until it is true, and returns how long that took. `None`: it took too long.
pub async fn until(time: Duration, mut condition: impl AsyncFnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while !condition().await {
        if start.elapsed() > time {
            return None;
        }
        sleep(POLL_INTERVAL).await;
    }
    Some(start.elapsed())
}
