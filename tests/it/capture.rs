//! Which writes are sent to subscribers, and what the subscribers receive.

mod convergence;
mod databases;
mod exact;
mod filters;
mod interleaved;
mod large_rows;
mod mock_database;
mod rereads;
mod row_security;
mod single_writes;
mod transactions;
mod unreadable_rows;
