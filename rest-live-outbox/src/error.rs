//! What keeps an outbox from being opened.

use sea_orm::sqlx;

/// Why an [`OutboxLog`](crate::OutboxLog) cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The connection is to something else than PostgreSQL.
    #[error("the outbox is for PostgreSQL, and the connection is to another database")]
    Backend,
    /// The tables are missing.
    #[error(
        "the tables `live_meta` and `live_event` are missing: add `rest_live_outbox::migration::Outbox` to the migrations of \
         your Migrator, and run them before this"
    )]
    NotInstalled,
    /// The tables are of another version of this crate.
    #[error(
        "the tables of the outbox are of version {found}, and this crate needs {needed}: add the migrations of \
         `rest_live_outbox::migration` that are missing"
    )]
    Version {
        /// What the database has.
        found: i32,
        /// What is needed.
        needed: i32,
    },
    /// Numbers are drawn in advance, so that they say nothing about order.
    #[error(
        "the sequence {sequence} has CACHE {cache}, which loses the order of events: ALTER SEQUENCE {sequence} CACHE 1"
    )]
    Cache {
        /// The sequence of `live_event.seq`.
        sequence: String,
        /// Its `CACHE`.
        cache: i64,
    },
    /// The server is a standby, on which nothing can be written.
    #[error("the server is a standby: the outbox is on the primary")]
    Standby,
    /// The address for `LISTEN` cannot be read.
    #[error("the address for LISTEN is no address of a PostgreSQL server")]
    Address(#[source] sqlx::Error),
    /// The database said no, or nothing.
    #[error("the database does not answer as it should")]
    Database(#[from] sqlx::Error),
}
