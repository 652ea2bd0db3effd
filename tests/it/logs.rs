//! Event logs that servers share, and clients that resume from them.

mod barrier;
mod groups;
mod labels;
mod other_processes;
mod outbox;
mod processes;
mod redis;
mod resume;
mod secret;
mod signals;
mod transfers;
mod units;
