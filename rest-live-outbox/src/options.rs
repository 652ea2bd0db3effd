//! How an outbox is used.

use std::{str::FromStr, time::Duration};

use sea_orm::sqlx::{PgPool, postgres::PgConnectOptions};

use crate::error::OutboxError;

/// How often a node reads the table if it receives no notifications.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often a node reads the table if it receives notifications.
const POLL_INTERVAL_WITH_LISTEN: Duration = Duration::from_secs(1);

/// How often a node reads the table if it receives notifications, but triggers write events, which
/// send none.
const POLL_INTERVAL_WITH_TRIGGERS: Duration = Duration::from_millis(100);

/// How a node uses the outbox. [`Options::default`] is what [`OutboxLog::open`](crate::OutboxLog::open) uses.
#[derive(Clone, Debug)]
pub struct Options {
    keep: Duration,
    poll: Option<Duration>,
    listen: Listen,
}

/// Over which connection a node hears of what others have committed.
#[derive(Clone, Debug)]
enum Listen {
    /// One like the application's.
    SameServer,
    /// One to this address.
    At(String),
    Never,
}

impl Options {
    /// How long events are kept where nothing else is said: 15 minutes.
    pub const DEFAULT_KEEP: Duration = Duration::from_secs(15 * 60);

    /// Keeps events for as long. A client that was away longer fetches again.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Listens over a connection to this address, as in a `DATABASE_URL`: where the application's connections go through
    /// a pooler in transaction mode, which does not pass notifications on.
    #[must_use]
    pub fn listen_on(mut self, address: impl Into<String>) -> Self {
        self.listen = Listen::At(address.into());
        self
    }

    /// Does not listen at all: the table is looked at again and again.
    #[must_use]
    pub fn without_listen(mut self) -> Self {
        self.listen = Listen::Never;
        self
    }

    /// Looks at the table so often, whether nodes are heard or not. Where nothing is said: every 20 ms where they
    /// are not, every second where they are, and every 100 ms where they are and triggers write events, too, which
    /// nobody tells of.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = Some(every.max(Duration::from_millis(1)));
        self
    }

    pub(crate) fn retention(&self) -> Duration {
        self.keep
    }

    pub(crate) fn poll_interval(&self, is_listening: bool, has_triggers: bool) -> Duration {
        self.poll.unwrap_or(if !is_listening {
            POLL_INTERVAL
        } else if has_triggers {
            POLL_INTERVAL_WITH_TRIGGERS
        } else {
            POLL_INTERVAL_WITH_LISTEN
        })
    }

    /// Returns the pool that the one connection is of which listens.
    pub(crate) fn listen_pool(&self, pool: &PgPool) -> Result<Option<PgPool>, OutboxError> {
        let address = match &self.listen {
            Listen::Never => return Ok(None),
            Listen::SameServer => (*pool.connect_options()).clone(),
            Listen::At(address) => {
                PgConnectOptions::from_str(address).map_err(OutboxError::Address)?
            }
        };
        let options = pool.options().clone();
        let options = options
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        Ok(Some(options.connect_lazy_with(address)))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: Self::DEFAULT_KEEP,
            poll: None,
            listen: Listen::SameServer,
        }
    }
}
