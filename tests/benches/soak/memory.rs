//! Checks that the server's memory does not grow.

use std::time::Duration;

use super::verdict::Verdict;

/// Minimum duration of a run for a verdict. In a shorter run, most of the time is the warm-up.
const MIN_DURATION: Duration = Duration::from_secs(60);
/// Maximum growth in KiB; or a tenth of the memory, if that is more.
const MAX_GROWTH: u64 = 8 << 10;

/// Samples of the server's memory.
pub struct Memory {
    time: Duration,
    samples: Vec<(Duration, u64)>,
}

impl Memory {
    /// Returns the memory of a run of this duration, without samples.
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            samples: Vec::new(),
        }
    }

    /// Adds a sample in KiB.
    pub fn add(&mut self, at: Duration, resident: u64) {
        self.samples.push((at, resident));
    }

    /// Compares the last quarter with the second one. In the first one, the server warms up.
    pub fn verdict(&self) -> Verdict {
        let name = "memory";
        let (Some(before), Some(last), true) =
            (self.highest(1), self.highest(3), self.time >= MIN_DURATION)
        else {
            let seconds = MIN_DURATION.as_secs();
            let details = format!("not judged: this needs a run of at least {seconds} s");
            return Verdict::unjudged(name, details);
        };
        let limit = before + MAX_GROWTH.max(before / 10);
        let details = format!(
            "at most {} in the last quarter; the limit is {}, from {} in the second quarter",
            mebibytes(last),
            mebibytes(limit),
            mebibytes(before),
        );
        Verdict::new(name, last <= limit, details)
    }

    /// Returns the highest sample of a quarter of the time. Quarters count from 0.
    fn highest(&self, quarter: u32) -> Option<u64> {
        let of = self.time / 4 * quarter..=self.time / 4 * (quarter + 1);
        let samples = self.samples.iter().filter(|(at, _)| of.contains(at));
        samples.map(|(_, resident)| *resident).max()
    }
}

pub fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
