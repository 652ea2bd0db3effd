//! The options of an outbox.

use std::{str::FromStr, time::Duration};

use sea_orm::sqlx::{PgPool, postgres::PgConnectOptions};

use crate::error::OutboxError;

/// How often a node reads the table if it receives no notifications.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often a node reads the table if it receives notifications.
const POLL_INTERVAL_WITH_LISTEN: Duration = Duration::from_secs(1);

/// How often a node reads the table if it receives notifications but triggers also write events,
/// which send no notification.
const POLL_INTERVAL_WITH_TRIGGERS: Duration = Duration::from_millis(100);

/// The options with which a node opens the outbox. [`OutboxLog::open`](crate::OutboxLog::open) uses
/// [`Options::default`].
#[derive(Clone, Debug)]
pub struct Options {
    keep: Duration,
    poll: Option<Duration>,
    listen: Listen,
}

/// The connection on which a node receives notifications.
#[derive(Clone, Debug)]
enum Listen {
    /// A connection like those of the application.
    SameServer,
    /// A connection to this address.
    At(String),
    Never,
}

impl Options {
    /// How long events are kept by default: 15 minutes.
    pub const DEFAULT_KEEP: Duration = Duration::from_secs(15 * 60);

    /// Sets how long events are kept. A client that was away longer fetches again.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Listens on a connection to this address, which has the form of a `DATABASE_URL`. Use it if
    /// the application connects through a pooler in transaction mode, which does not pass
    /// notifications on.
    #[must_use]
    pub fn listen_on(mut self, address: impl Into<String>) -> Self {
        self.listen = Listen::At(address.into());
        self
    }

    /// Disables listening. The node polls the table instead.
    #[must_use]
    pub fn without_listen(mut self) -> Self {
        self.listen = Listen::Never;
        self
    }

    /// Sets how often the table is polled, with or without notifications. By default it is polled
    /// every 20 ms without notifications, every second with them, and every 100 ms if triggers also
    /// write events, which send no notification.
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

    /// Returns the single-connection pool used for `LISTEN`, or `None` if listening is disabled.
    pub(crate) fn listen_pool(&self, pool: &PgPool) -> Result<Option<PgPool>, OutboxError> {
        let address = match &self.listen {
            Listen::Never => return Ok(None),
            Listen::SameServer => (*pool.connect_options()).clone(),
            Listen::At(address) => {
                PgConnectOptions::from_str(address).map_err(OutboxError::Address)?
            }
        };
        let options = pool
            .options()
            .clone()
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
