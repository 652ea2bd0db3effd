//! What the writers did.

use std::{fmt, time::Duration};

#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub done: u32,
    /// There was no such row.
    pub missing: u32,
    /// The database refused: two waited for each other.
    pub refused: u32,
    /// The server was gone.
    pub unanswered: u32,
    /// How long one took at most.
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
            "{done} writes done, {missing} of no row, {refused} refused, {unanswered} unanswered, the slowest took {slowest:?}"
        )
    }
}
