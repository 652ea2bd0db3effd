//! What the benches have in common.

use std::time::Duration;

/// Returns the middle one of these times.
///
/// # Panics
/// Where there is none.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
