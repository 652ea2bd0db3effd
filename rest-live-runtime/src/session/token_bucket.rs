//! Limits how often something may happen, by a [`Rate`].

use std::time::{Duration, Instant};

use crate::limits::Rate;

/// A bucket of tokens. It starts full; each use takes a token, and tokens are added at a steady
/// rate.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            tokens: f64::from(rate.burst.max(1)),
            filled_at: now,
        }
    }

    /// Takes a token, and returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let is_available = self.tokens >= 1.0;
        if is_available {
            self.tokens -= 1.0;
        }
        is_available
    }

    /// Returns whether the bucket is full, because it was not used for a while.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= f64::from(self.rate.burst.max(1))
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now
            .checked_duration_since(self.filled_at)
            .unwrap_or(Duration::ZERO);
        let tokens = self.tokens + elapsed.as_secs_f64() * f64::from(self.rate.per_second);
        self.tokens = tokens.min(f64::from(self.rate.burst.max(1)));
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_the_rate_limits() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(Rate::new(10, 3), start);
        let taken = |bucket: &mut TokenBucket, after: u64| {
            let now = start + Duration::from_millis(after);
            (0..20).filter(|_| bucket.take(now)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 50), 0);
        assert_eq!(taken(&mut bucket, 110), 1);
        assert_eq!(taken(&mut bucket, 10_000), 3, "no more than a burst");
        assert!(bucket.is_full(start + Duration::from_secs(20)));
    }

    #[test]
    fn clock_that_goes_back_adds_no_tokens() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut bucket = TokenBucket::new(Rate::new(1000, 1), start);
        assert!(bucket.take(start));
        assert!(!bucket.take(start - Duration::from_millis(500)));
        assert!(!bucket.take(start - Duration::from_millis(500)));
    }
}
