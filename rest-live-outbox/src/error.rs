//! Errors of opening the outbox.

use sea_orm::sqlx;

/// Why [`OutboxLog::open`](crate::OutboxLog::open) or [`Options::open`](crate::Options::open)
/// failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The connection is not to PostgreSQL.
    #[error(
        "the outbox requires PostgreSQL, but the connection is to another database: pass a \
         connection to PostgreSQL"
    )]
    Backend,
    /// The tables are missing.
    #[error(
        "the tables `live_meta` and `live_event` are missing: add `rest_live_outbox::migration::Outbox` to \
         your Migrator, and run the migrations before the log is opened"
    )]
    NotInstalled,
    /// The tables belong to another version of this crate.
    #[error(
        "the tables of the outbox have version {found}, but this crate needs version {needed}: add the \
         missing migrations of `rest_live_outbox::migration` and run them"
    )]
    Version {
        /// The version in the database.
        found: i32,
        /// The version that this crate needs.
        needed: i32,
    },
    /// The sequence assigns numbers in blocks, so they do not follow the order of the writes.
    #[error(
        "the sequence {sequence} has CACHE {cache}, so its numbers do not follow the order of the writes: \
         run ALTER SEQUENCE {sequence} CACHE 1"
    )]
    Cache {
        /// The sequence of `live_event.seq`.
        sequence: String,
        /// The value of its `CACHE`.
        cache: i64,
    },
    /// The server is a standby, which refuses writes.
    #[error("the server is a standby, which refuses writes: connect to the primary")]
    Standby,
    /// The address for `LISTEN` cannot be parsed.
    #[error(
        "the address for LISTEN is not the URL of a PostgreSQL server: write \
         postgres://user@host:5432/database"
    )]
    Address(#[source] sqlx::Error),
    /// The database returned an error, or did not answer in time.
    #[error("the outbox could not be opened: a query failed or took too long")]
    Database(#[from] sqlx::Error),
}
