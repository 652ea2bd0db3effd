//! Whether the server's memory stays as it is.

use std::time::Duration;

use super::verdict::Verdict;

/// With less, the beginning is most of it.
const ENOUGH: Duration = Duration::from_secs(60);
/// What may be on top, in KiB; or a tenth, where that is more.
const MORE: u64 = 8 << 10;

/// What the server had, and when.
pub struct Memory {
    time: Duration,
    samples: Vec<(Duration, u64)>,
}

impl Memory {
    /// Looks at the memory over this time.
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            samples: Vec::new(),
        }
    }

    /// Adds what there was, in KiB.
    pub fn add(&mut self, at: Duration, resident: u64) {
        self.samples.push((at, resident));
    }

    /// Judges the last quarter by the second, for in the first the server has warmed up.
    pub fn verdict(&self) -> Verdict {
        let name = "memory";
        let (Some(before), Some(last), true) =
            (self.highest(1), self.highest(3), self.time >= ENOUGH)
        else {
            let enough = ENOUGH.as_secs();
            return Verdict::unjudged(name, format!("too short to judge: {enough} s are needed"));
        };
        let most = before + MORE.max(before / 10);
        let says = format!(
            "at most {} in the last quarter; {} in the second, so that {} were allowed",
            mebibytes(last),
            mebibytes(before),
            mebibytes(most),
        );
        Verdict::new(name, last <= most, says)
    }

    /// Returns the most of a quarter of the time; the first is 0.
    fn highest(&self, quarter: u32) -> Option<u64> {
        let of = self.time / 4 * quarter..=self.time / 4 * (quarter + 1);
        let samples = self.samples.iter().filter(|(at, _)| of.contains(at));
        samples.map(|(_, resident)| *resident).max()
    }
}

pub fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
