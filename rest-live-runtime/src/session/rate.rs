//! Counts what happens against a [`Rate`].

use std::time::{Duration, Instant};

use crate::limits::Rate;

/// A token bucket: full at first, it loses one for each that happens and is refilled steadily.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            tokens: f64::from(rate.burst.max(1)),
            filled: now,
        }
    }

    /// Takes one out, and returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// Returns whether as many are there as can be: nothing happened for a while.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= f64::from(self.rate.burst.max(1))
    }

    fn fill(&mut self, now: Instant) {
        let passed = now
            .checked_duration_since(self.filled)
            .unwrap_or(Duration::ZERO);
        let grown = self.tokens + passed.as_secs_f64() * f64::from(self.rate.per_second);
        self.tokens = grown.min(f64::from(self.rate.burst.max(1)));
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate::new(10, 3), start);
        let taken = |bucket: &mut Bucket, after: u64| {
            let now = start + Duration::from_millis(after);
            (0..20).filter(|_| bucket.take(now)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 50), 0);
        assert_eq!(taken(&mut bucket, 110), 1);
        assert_eq!(taken(&mut bucket, 10_000), 3, "never more than a burst");
        assert!(bucket.is_full(start + Duration::from_secs(20)));
    }

    #[test]
    fn a_clock_that_stands_still_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut bucket = Bucket::new(Rate::new(1000, 1), start);
        assert!(bucket.take(start));
        assert!(!bucket.take(start - Duration::from_millis(500)));
        assert!(!bucket.take(start - Duration::from_millis(500)));
    }
}
