//! Errors of connecting to a log.

/// Why [`RedisLog::connect`](crate::RedisLog::connect) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisLogError {
    /// The URL is wrong.
    #[error("{mistake}: write {instead}")]
    Url {
        /// The part that is wrong.
        mistake: String,
        /// The text to write instead.
        instead: &'static str,
    },
    /// The server is unreachable, or it rejects the user, the password or the database.
    #[error("Redis cannot be used at {address}")]
    Unusable {
        /// Host and port.
        address: String,
        /// The error of the client library or the server.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is part of a cluster, or it is a sentinel.
    #[error(
        "Redis at {address} runs in {mode} mode, which the log does not support: all of its keys must be on \
         one server. Use a Redis that is no cluster (with replicas if it must survive a failure; on \
         ElastiCache: cluster mode disabled) and the address of its primary, or the outbox in PostgreSQL"
    )]
    Mode {
        /// Host and port.
        address: String,
        /// The mode that the server reports: `cluster` or `sentinel`.
        mode: &'static str,
    },
    /// The server is a replica, which accepts no writes.
    #[error(
        "Redis at {address} is a replica, which accepts no events: use the address of the primary (on \
         ElastiCache: the primary endpoint)"
    )]
    Replica {
        /// Host and port.
        address: String,
    },
    /// The server is older than 7.0.
    #[error(
        "Redis {version} at {address} is too old: upgrade to 7.0 or later, which numbers the entries of a \
         stream without gaps"
    )]
    TooOld {
        /// Host and port.
        address: String,
        /// The version that the server reports.
        version: String,
    },
}
