//! Counts of the writes and their results.

use std::{fmt, time::Duration};

#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub done: u32,
    /// The row did not exist.
    pub missing: u32,
    /// The database refused the write because of a deadlock.
    pub refused: u32,
    /// The server was gone.
    pub unanswered: u32,
    /// Duration of the slowest write.
    pub slowest: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.missing += other.missing;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            done,
            missing,
            refused,
            unanswered,
            slowest,
        } = self;
        write!(
            f,
            "{done} writes done, {missing} of missing rows, {refused} refused, {unanswered} unanswered, the slowest took {slowest:?}"
        )
    }
}
