//! Waits for what is to come, and no longer than it may take.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Returns what comes within a time.
///
/// # Panics
/// Where it does not come: it says what.
pub async fn within<T>(time: Duration, what: &str, coming: impl Future<Output = T>) -> T {
    let came = timeout(time, coming).await;
    came.unwrap_or_else(|_| panic!("{what} did not come within {} s", time.as_secs()))
}

/// Looks again and again until something is so, and returns how long that took; `None` where it took too long.
pub async fn until(time: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while !is_so().await {
        if start.elapsed() > time {
            return None;
        }
        sleep(LOOK).await;
    }
    Some(start.elapsed())
}
