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

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{
        hub::{
            context::HubContext,
            shard::{Shard, drain::Outgoing},
        },
        limits::Limits,
        metrics::Metrics,
        model::permission::Identity,
        protocol::{code::CloseCode, dialect::Dialect, frame::Frame},
    };

    const LIFETIME: Duration = Duration::from_secs(600);

    fn shard() -> Shard {
        let (_, published) = watch::channel(None);
        let context = HubContext::new(Limits::default(), Metrics::new().into(), published);
        Shard::new(context.into())
    }

    fn credentials(remaining: Duration, by_message: bool) -> Lifetime {
        Lifetime::Credentials {
            remaining,
            by_message,
        }
    }

    fn set(shard: &Shard, id: ClientId, lifetime: Lifetime, now: Instant) {
        shard.with(|state| state.clients.set_lifetime(id, lifetime, now));
    }

    fn taken(shard: &Shard, id: ClientId) -> Option<Result<String, CloseCode>> {
        let taken = shard.with(|state| state.outgoing(id))?;
        Some(match taken {
            Outgoing::Frames(frames) => {
                let texts: Vec<_> = frames.iter().map(Frame::as_str).collect();
                Ok(texts.concat())
            }
            Outgoing::Close(code) => Err(code),
        })
    }

    #[test]
    fn long_lifetime_is_announced_30_s_before_its_end() {
        let (shard, now) = (shard(), Instant::now());
        let v1 = shard.join(Identity::new(()), Some(Dialect::V1));
        let plain = shard.join(Identity::new(()), Some(Dialect::Plain));
        for id in [v1, plain] {
            set(&shard, id, credentials(LIFETIME, false), now);
        }
        let due = now + LIFETIME - WARNING;
        assert_eq!(shard.with(|s| s.clients.next_due()), Some(due));
        shard.with(|s| s.expire(due - Duration::from_millis(1)));
        assert_eq!(taken(&shard, v1), None);
        for _ in 0..2 {
            shard.with(|s| s.expire(due));
        }
        let warning = r#"{"type":"expiring","in_ms":30000}"#;
        assert_eq!(taken(&shard, v1), Some(Ok(warning.to_owned())));
        assert_eq!(taken(&shard, plain), None);
        shard.with(|s| s.expire(now + LIFETIME));
        for id in [v1, plain] {
            assert_eq!(taken(&shard, id), Some(Err(CloseCode::Unauthenticated)));
            assert!(shard.with(|s| s.rights(id)).is_none());
        }
        assert_eq!(shard.with(|s| s.clients.next_due()), None);
    }

    #[test]
    fn short_lifetime_is_announced_at_its_half() {
        let (shard, now) = (shard(), Instant::now());
        let id = shard.join(Identity::new(()), None);
        let short = Duration::from_secs(10);
        set(&shard, id, credentials(short, true), now);
        shard.with(|s| s.expire(now + short / 2));
        let warning = r#"{"type":"expiring","in_ms":5000}"#;
        assert_eq!(taken(&shard, id), Some(Ok(warning.to_owned())));
    }

    #[test]
    fn later_credentials_replace_earlier_ones() {
        let (shard, now) = (shard(), Instant::now());
        let id = shard.join(Identity::new(()), Some(Dialect::V1));
        for lifetime in [
            credentials(LIFETIME, true),
            Lifetime::Unauthenticated(LIFETIME),
            credentials(LIFETIME * 2, true),
        ] {
            set(&shard, id, lifetime, now);
        }
        shard.with(|s| s.expire(now + LIFETIME));
        assert_eq!(taken(&shard, id), None);
        let due = now + LIFETIME * 2 - WARNING;
        assert_eq!(shard.with(|s| s.clients.next_due()), Some(due));
        set(&shard, id, Lifetime::Unlimited, now);
        assert_eq!(shard.with(|s| s.clients.next_due()), None);
    }

    #[test]
    fn client_that_leaves_is_forgotten() {
        let (shard, now) = (shard(), Instant::now());
        let id = shard.join(Identity::new(()), None);
        set(&shard, id, credentials(LIFETIME, true), now);
        shard.leave(id);
        assert_eq!(shard.with(|s| s.clients.next_due()), None);
        // Another client has the same index.
        let other = shard.join(Identity::new(()), None);
        assert_eq!(other.index, id.index);
        shard.with(|s| s.expire(now + LIFETIME));
        assert_eq!(taken(&shard, other), None);
    }

    #[test]
    fn endless_lifetime_never_ends() {
        let (shard, now) = (shard(), Instant::now());
        let id = shard.join(Identity::new(()), None);
        set(&shard, id, credentials(Duration::MAX, true), now);
        assert_eq!(shard.with(|s| s.clients.next_due()), None);
    }
}
