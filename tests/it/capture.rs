//! Which writes reach subscribers, and what they receive.

mod convergence;
mod databases;
mod exact;
mod interleaved;
mod single_writes;
mod transactions;
