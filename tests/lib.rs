//! What the benches have in common. What the tests have in common is with them: a test sees its own target only.

use std::time::Duration;

/// Returns the middle one of these times.
///
/// # Panics
/// Where there is none.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
