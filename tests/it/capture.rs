//! Which writes are sent to subscribers, and what the subscribers receive.

mod convergence;
mod databases;
mod exact;
mod interleaved;
mod large_rows;
mod mock_database;
mod single_writes;
mod transactions;
