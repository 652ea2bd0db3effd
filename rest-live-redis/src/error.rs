//! Why there is no log.

/// Why a [`RedisLog`](crate::RedisLog) cannot be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisLogError {
    /// The URL says something that is not understood.
    #[error("{mistake}: write {instead}")]
    Url {
        /// What is wrong.
        mistake: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// The server cannot be reached, or refuses the user, the password or the database.
    #[error("Redis cannot be used at {address}")]
    Unusable {
        /// Host and port.
        address: String,
        /// What the client library, or the server, says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is older than 7.0.
    #[error(
        "Redis {version} at {address} is too old: rest-live needs 7.0, the first that numbers the entries of a stream \
         without gaps"
    )]
    TooOld {
        /// Host and port.
        address: String,
        /// The version that it says it is.
        version: String,
    },
}
