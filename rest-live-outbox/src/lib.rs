//! The event log of [rest-live](https://docs.rs/rest-live) in the application's own PostgreSQL.
//!
//! Events are rows of the table `live_event`, which every node of the application reads. So several
//! nodes need no system besides the database, and an event is as durable as the row that it
//! describes.
//!
//! ```no_run
//! # use sea_orm::Database;
//! # use rest_live_outbox::OutboxLog;
//! # async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let db = Database::connect(url).await?;
//! // The migrations have run: `rest_live_outbox::migration::Outbox` is one of them.
//! let log = OutboxLog::open(db.clone()).await?;
//! // With `Live::builder(db).log(log)`, every node receives the events of all nodes.
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - `Transactional`: the event is written in the transaction of its row, and commits or rolls back
//!   with it. Nothing is lost. Writes of other programs are not captured.
//! - `Captured`: a trigger writes the event. Add [`Capture`](migration::Capture) to the migrations
//!   for each such table. Nothing is lost. Writes of other programs are captured, as are bulk
//!   statements, cascades, upserts and `COPY`.
//!
//! With both:
//! - Events of one transaction are delivered together, also those of different tables and of
//!   triggers. Only if a node must catch up with more than 10,000 events, or 32 MiB, it may deliver
//!   a transaction in parts. Then clients of models with a filter or a permission fetch again, if
//!   triggers write their events.
//! - Events of one row are delivered in the order in which they were committed. Events of different
//!   rows may reach two nodes in different orders.
//! - An event is delivered as soon as it can be read. It never waits for another open transaction.
//!   A cursor is never past an open transaction that may still commit an event. So a client that
//!   resumes from a cursor misses no event, but may receive an event twice. Writers need no lock
//!   for this: the source file `marks.rs` explains how it works.
//! - If PostgreSQL crashes and recovers all committed data, no client has to fetch again. If it
//!   recovers as a different server (a standby was promoted, a dump was restored), all clients
//!   fetch again. The epoch of the log is derived from `live_meta.epoch`, the server's identifier,
//!   its timeline and the identity of the table.
//! - An [`append`](rest_live_runtime::EventLog::append) outside a transaction is retried for five
//!   seconds. Then its events are lost, and an error is in the application log.
//!
//! # What it costs
//! Each write inserts one more row. A node opens up to [`OutboxLog::MAX_CONNECTIONS`] connections
//! of its own, and one more to listen. After a commit, it notifies the other nodes with `NOTIFY`,
//! at most every 2 ms. It never sends `NOTIFY` in the application's transaction, because PostgreSQL
//! then commits all transactions of the database one after the other.
//!
//! A node finds events without a notification by polling. While no client is subscribed, it polls
//! every three minutes, or after half of the retention time if that is shorter. While a client is
//! subscribed, the interval depends on which notifications the node receives; [`Options::poll`]
//! overrides it:
//! - every second if the node receives notifications;
//! - every 100 ms if it receives notifications and triggers also write events. A row that `psql`
//!   changes is delivered after about 50 ms, at most 100 ms;
//! - every 20 ms if it receives no notifications.
//!
//! # What the operator has to do
//! - Run the migrations before the application opens the log. The log looks for triggers once, when
//!   it opens. If [`Capture`](migration::Capture) is added while the application runs, clients
//!   receive each change twice until the application is restarted.
//! - Keep `synchronous_commit` on, at least for sessions that write rows with events. If it is off,
//!   a crash of PostgreSQL can undo changes that clients have already received.
//! - After restoring a copy of the server's files (a disk snapshot, without recovery to a new
//!   timeline), run `UPDATE live_meta SET epoch = gen_random_uuid()` before the application starts.
//!   A restored dump needs no such step.
//! - Watch for transactions that stay open, especially prepared ones. While such a transaction may
//!   contain an event, the log removes no later event, and a client that resumes receives all of
//!   them again. After five minutes, the application log contains a warning.
//! - Do not change the sequence of `live_event.seq`: keep its `CACHE` at 1 and never reset it.
//! - Synchronize the clocks of the nodes. They must differ by much less than the retention time
//!   ([`Options::keep`], 15 minutes), which is measured from the time at which an event was
//!   captured.
//! - If the application's role does not own the tables, grant it `SELECT, INSERT, DELETE` on
//!   `live_event`, `SELECT, UPDATE` on `live_meta` and `SELECT` on `live_event_seq_seq`. A role
//!   that only changes captured tables needs none of these. A trigger runs with the rights of the
//!   role that ran the migration [`Capture`](migration::Capture). This role needs `INSERT` on
//!   `live_event` and on `live_meta`.
//!
//! The log works with PostgreSQL 13 and later. The tests run on PostgreSQL 15.
//!
//! ## Poolers
//! A pooler in transaction mode, such as PgBouncer, does not support `LISTEN`. The log detects that
//! it receives no notifications, and polls every 20 ms instead. Use [`Options::listen_on`] to
//! listen on an address that bypasses the pooler. The pooler must support prepared statements
//! (PgBouncer 1.21), as SeaORM needs them.
//!
//! # What is not captured
//! - Without triggers: writes that do not go through a live connection. With
//!   `Live::capture_plain_connections()`, the event of a write on a plain connection is appended
//!   after the commit. If the process dies between the two, the event is lost.
//! - Triggers do not work for a table with several models: `build()` refuses them.
//! - With triggers: writes while `session_replication_role = replica` (a logical subscription,
//!   `pg_restore --disable-triggers`) or while the triggers are disabled, a `TRUNCATE` of one
//!   partition, and `ALTER TABLE`.
//!
//! A trigger never fails the write that fires it. If a row cannot be written as JSON, the clients
//! of its model fetch again. If `live_event` refuses an event, all clients fetch again. Both are a
//! `WARNING` of PostgreSQL.
//!
//! # Other databases
//! This crate supports PostgreSQL only; opening the log on another database is an error. SQLite and
//! MariaDB have other rules for the order of sequence numbers and commits. The tables and the
//! traits would allow support for them.

mod audience;
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
mod unit_buffer;

pub use self::{error::OutboxError, log::OutboxLog, options::Options};
