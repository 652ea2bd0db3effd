//! The event log of [rest-live](https://docs.rs/rest-live) in the application's own PostgreSQL.
//!
//! Events are rows of a table, `live_event`, and every node of the application reads it: no other system is needed for
//! many nodes, and an event is as durable as the row that it is of.
//!
//! ```no_run
//! # use sea_orm::Database;
//! # use rest_live_outbox::OutboxLog;
//! # async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let db = Database::connect(url).await?;
//! // The migrations ran before: `rest_live_outbox::migration::Outbox` is one of them.
//! let log = OutboxLog::open(db.clone()).await?;
//! // `Live::builder(db).log(log)` has every node hear of what any of them writes.
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! | name | how | what is lost | other programs' writes |
//! |---|---|---|---|
//! | `Transactional` | the event is written in the transaction of the row, and commits or is rolled back with it | nothing | are not seen |
//! | `Captured` | a trigger writes it: [`Capture`](migration::Capture) in the migrations, for each table that shall have it | nothing | are seen: SQL by hand, bulk statements, cascades, upserts, `COPY` |
//!
//! For both:
//! - What is told of one row is told in the order in which it was committed. Across rows, two nodes may be told in
//!   different orders.
//! - An event is told as soon as it can be read, and never waits for a transaction that is open beside it. A place to come
//!   back to (a cursor) is before every transaction that may still commit something: a client that comes back may be told
//!   again, and misses nothing. How that is known without a lock on writers is in the source, `marks.rs`.
//! - A server that crashes and comes back, with what was committed, costs no client anything. One that comes back as another
//!   (a standby became the primary, a dump was restored) has all clients fetch again: the epoch of the log is made of
//!   `live_meta.epoch`, the server's identifier, its timeline, and the identity of the table.
//! - The events of an [`append`](rest_live_runtime::EventLog::append) that was not part of a transaction are tried for five
//!   seconds.
//!
//! # What it costs
//! A write inserts one row more. A node has up to [`OutboxLog::MAX_CONNECTIONS`] connections of its own and one that
//! listens. After a commit other nodes are told by `NOTIFY`, at most every 2 ms and never in the transaction that wrote: that
//! would have all commits of the database wait for each other. What nobody tells of is found by looking: every second
//! where the node is known to hear notifications, every 100 ms where triggers write events, too (so a row that `psql` changes is
//! told some 50 ms later, 100 ms at worst), and every 20 ms where nothing is heard; [`Options::poll`] says otherwise.
//!
//! # What the operator has to do
//! - Run the migrations before the application opens the log. Which tables have triggers is found out then, once: an
//!   application that runs while [`Capture`](migration::Capture) is added tells of each change twice, until it is started again.
//! - Leave `synchronous_commit` on, at least for what writes rows with events. With `off`, a crash takes back what clients
//!   were told already.
//! - After a restore from a copy of the server's files (a snapshot of a disk, without recovery to a new timeline):
//!   `UPDATE live_meta SET epoch = gen_random_uuid()`, before the application starts. A restored dump needs nothing.
//! - Watch for transactions that stay open, prepared ones above all: while one holds an event, nothing behind it is removed, and
//!   clients that come back are sent all since then. The log warns after five minutes.
//! - Not change the sequence of `live_event.seq`: its `CACHE` is 1, and nobody sets it back.
//! - Keep the clocks of the nodes together within the time that events are kept ([`Options::keep`], 15 minutes), which is
//!   measured from when they were captured.
//! - The right to `SELECT, INSERT, DELETE` on `live_event`, `SELECT, UPDATE` on `live_meta` and `SELECT` on
//!   `live_event_seq_seq`, where the application's role does not own them. Who only changes captured tables needs none.
//!
//! PostgreSQL 13 and later have all that is used; the tests run on 15.
//!
//! ## Poolers
//! `LISTEN` does not pass a pooler in transaction mode, PgBouncer's for example. The log notices that nothing comes back, and
//! looks every 20 ms; [`Options::listen_on`] gives it an address past the pooler instead. A pooler has to know
//! prepared statements (PgBouncer 1.21), as all of SeaORM needs it.
//!
//! # What is not captured
//! - Without triggers: what does not go through a live connection. A write of hooks alone (`Live::install()`) is told behind
//!   its commit: not if the process dies in between.
//! - Triggers for a model with `check_permission`, or for a table of several models: `build()` refuses them.
//! - With triggers: what is done while `session_replication_role = replica` (a logical subscription, `pg_restore
//!   --disable-triggers`) or while the triggers are disabled; a `TRUNCATE` of one partition; `ALTER TABLE`.
//! - A column of type `json` (not `jsonb`) with the escape `\u0000` in a table of which columns are
//!   [left out](migration::Capture::without): PostgreSQL refuses the write.
//!
//! # Other databases
//! SQLite and MariaDB draw numbers and commit them by other rules. The tables and the traits have room for them; this crate
//! is for PostgreSQL and says so when it is opened.

mod error;
mod gap_tracker;
mod horizon;
mod insert;
mod log;
mod log_state;
mod marks;
pub mod migration;
mod node;
mod options;
mod rows;
mod statements;
mod tables;
mod tail;
mod tasks;

pub use self::{error::OutboxError, log::OutboxLog, options::Options};
