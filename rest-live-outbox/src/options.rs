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

/// How often a tail polls for whose events no client waits. Less than once a minute, so that a
/// database that is suspended while it is idle stays suspended.
const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(180);

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

    /// Sets how long events are kept. Default: [`DEFAULT_KEEP`](Self::DEFAULT_KEEP). A client that
    /// was disconnected for longer cannot resume and fetches again.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Sets the address to which the node connects to receive notifications: a URL such as
    /// `postgres://user@host/database`. Default: the address of the application's connection. Use
    /// it if the application connects through a pooler in transaction mode, which does not support
    /// `LISTEN`. If the URL is invalid, [`open`](Self::open) returns an error.
    #[must_use]
    pub fn listen_on(mut self, address: impl Into<String>) -> Self {
        self.listen = Listen::At(address.into());
        self
    }

    /// Disables notifications from other nodes. The node polls the table instead.
    #[must_use]
    pub fn without_listen(mut self) -> Self {
        self.listen = Listen::Never;
        self
    }

    /// Sets how often the node polls the table while a client is subscribed, with or without
    /// notifications; at least 1 ms. By default it polls every 20 ms if it receives no
    /// notifications, and every second if it receives them. If triggers also write events, it polls
    /// every 100 ms, because triggers send no notifications.
    ///
    /// While no client is subscribed, the node polls every three minutes, or after half of the
    /// retention time if that is shorter.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = Some(every.max(Duration::from_millis(1)));
        self
    }

    pub(crate) fn retention(&self) -> Duration {
        self.keep
    }

    /// Returns how often a tail polls for whose events no client waits: before the retention time
    /// ends, so that a page does not load with a cursor that has expired.
    pub(crate) fn idle_poll_interval(&self) -> Duration {
        let before_expiry = (self.keep / 2).max(Duration::from_millis(1));
        before_expiry.min(IDLE_POLL_INTERVAL)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_poll_comes_before_retention_ends() {
        let interval = |keep| Options::default().keep(keep).idle_poll_interval();
        assert_eq!(interval(Options::DEFAULT_KEEP), IDLE_POLL_INTERVAL);
        let minute = Duration::from_secs(60);
        assert_eq!(interval(minute), minute / 2);
        assert_eq!(interval(Duration::ZERO), Duration::from_millis(1));
    }
}
