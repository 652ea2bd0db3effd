//! How the memory for rows is divided.
//!
//! `LiveBuilder::memory_budget` sets the whole. `LiveBuilder::build` gives each part to what keeps
//! rows. Everything is bounded by a number of events or rows and by these bytes, whichever is less:
//!
//! | part | of 16 | what is over it |
//! |---|---:|---|
//! | the event log: ring in memory, or queue for Redis | 8 | the oldest events are dropped |
//! | the history of past events, for clients that resume | 3 | the oldest events are forgotten |
//! | events of open transactions, and the rows of one statement | 2 | they become resets |
//! | cached replays | 1 | the replays that were not used longest are forgotten |
//! | states of rows that are being written | 1 | a contested row becomes a reset |
//! | past events of each row, to detect conflicts in a shared log | 1 | more rows are read again |
//!
//! A row counts its texts, bytes, JSON and arrays, and the size of its model. The parts share rows:
//! an event that is in the ring and in the history is one allocation, and counts in both. So the
//! memory that is used is less than the sum of the parts.

/// The default of `LiveBuilder::memory_budget`, in bytes.
pub(crate) const MEMORY_BUDGET: usize = 64 << 20;

/// The parts of the memory budget, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryBudget {
    pub(crate) log: usize,
    pub(crate) history: usize,
    pub(crate) transactions: usize,
    pub(crate) replays: usize,
    pub(crate) order: usize,
    pub(crate) conflicts: usize,
}

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        let part = bytes / 16;
        Self {
            log: bytes / 2,
            history: 3 * part,
            transactions: 2 * part,
            replays: part,
            order: part,
            conflicts: part,
        }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(MEMORY_BUDGET)
    }
}
