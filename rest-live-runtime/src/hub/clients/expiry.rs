//! When the credentials of the clients of a shard expire. Only clients whose credentials expire
//! cost anything.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::Clients;
use crate::hub::ids::ClientId;

/// Maximum time between `expiring` and the expiry.
const WARNING: Duration = Duration::from_secs(30);

/// The next times at which something is due, with their clients.
pub(super) type DueTimes = BTreeSet<(Instant, ClientId)>;

/// When the credentials of one client expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    at: Instant,
    /// When the client is due next: for its warning, or at the expiry.
    due: Instant,
    /// Whether the credentials came in a message of v1, so that the client understands a warning
    /// even if it has not subscribed yet.
    pub(crate) by_message: bool,
}

/// What is due for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueExpiry {
    /// Its credentials expire after this time.
    Warning(Duration),
    Expired,
}

/// How the time of a client is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Unlimited,
    /// The credentials expire after this time.
    Credentials {
        remaining: Duration,
        by_message: bool,
    },
    /// The client must authenticate within this time. There is no warning.
    Unauthenticated(Duration),
}

impl Clients {
    /// Sets when the credentials of a client expire. This cancels an earlier expiry.
    pub(crate) fn set_lifetime(&mut self, id: ClientId, lifetime: Lifetime, now: Instant) {
        self.cancel_expiry(id);
        let (remaining, warning, by_message) = match lifetime {
            Lifetime::Unlimited => return,
            Lifetime::Credentials {
                remaining,
                by_message,
            } => (remaining, WARNING.min(remaining / 2), by_message),
            Lifetime::Unauthenticated(timeout) => (timeout, Duration::ZERO, false),
        };
        // A time that exceeds the range of the clock never comes.
        let Some(at) = now.checked_add(remaining) else {
            return;
        };
        let due = at - warning;
        if let Some(client) = self.get_mut(id) {
            client.expiry = Some(Box::new(Expiry {
                at,
                due,
                by_message,
            }));
            self.due_times.insert((due, id));
        }
    }

    /// Forgets when the credentials of a client expire.
    pub(super) fn cancel_expiry(&mut self, id: ClientId) {
        if let Some(expiry) = self.get_mut(id).and_then(|client| client.expiry.take()) {
            self.due_times.remove(&(expiry.due, id));
        }
    }

    /// Returns when the first client is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due_times.first().map(|(due, _)| *due)
    }

    /// Takes the first client that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(ClientId, DueExpiry)> {
        let (_, id) = *self.due_times.first().filter(|(due, _)| *due <= now)?;
        self.due_times.pop_first();
        let client = self.get_mut(id)?;
        let expiry = client.expiry.as_mut()?;
        let at = expiry.at;
        if at <= now {
            client.expiry = None;
            return Some((id, DueExpiry::Expired));
        }
        expiry.due = at;
        self.due_times.insert((at, id));
        Some((id, DueExpiry::Warning(at - now)))
    }
}
