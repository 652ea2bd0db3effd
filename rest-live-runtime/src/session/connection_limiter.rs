//! Limits the number of connections: in total, per user and per network.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::limits::Limits;

/// Counts the connections of one `Live`.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimiter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_user: HashMap<String, usize>,
    by_network: HashMap<IpAddr, usize>,
}

/// The permit of one connection. Its drop allows another connection.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    /// Changes when the client authenticates as another user. Locked after the counts.
    user: Mutex<Option<String>>,
    network: Option<IpAddr>,
}

impl ConnectionLimiter {
    /// Counts a connection, and returns its permit. `None` if a limit is reached.
    pub(crate) fn admit(
        self: &Arc<Self>,
        limits: &Limits,
        user: Option<String>,
        address: Option<IpAddr>,
    ) -> Option<ConnectionPermit> {
        let user = user.filter(|_| limits.max_connections_per_user.is_some());
        let network = address
            .filter(|_| limits.max_connections_per_address.is_some())
            .map(network);
        let mut counts = self.0.lock();
        let user_count = user.as_ref().and_then(|user| counts.by_user.get(user));
        let network_count = network.and_then(|network| counts.by_network.get(&network));
        let is_full = [
            (Some(&counts.all), limits.max_connections),
            (user_count, limits.max_connections_per_user),
            (network_count, limits.max_connections_per_address),
        ]
        .into_iter()
        .any(|(count, limit)| limit.is_some_and(|limit| count.copied().unwrap_or(0) >= limit));
        if is_full {
            return None;
        }
        counts.all += 1;
        if let Some(user) = &user {
            *counts.by_user.entry(user.clone()).or_default() += 1;
        }
        if let Some(network) = network {
            *counts.by_network.entry(network).or_default() += 1;
        }
        Some(ConnectionPermit {
            limiter: Arc::clone(self),
            user: Mutex::new(user),
            network,
        })
    }
}

impl ConnectionPermit {
    /// Counts the connection for another user from now on. Returns false if that user has the
    /// maximum number of connections already; then nothing changes.
    #[must_use]
    pub(crate) fn change_user(&self, limits: &Limits, user: Option<String>) -> bool {
        let user = user.filter(|_| limits.max_connections_per_user.is_some());
        let mut counts = self.limiter.0.lock();
        let mut current = self.user.lock();
        if *current == user {
            return true;
        }
        if let Some(user) = &user {
            let count = counts.by_user.entry(user.clone()).or_default();
            if limits
                .max_connections_per_user
                .is_some_and(|limit| *count >= limit)
            {
                if *count == 0 {
                    counts.by_user.remove(user);
                }
                return false;
            }
            *count += 1;
        }
        decrement(&mut counts.by_user, std::mem::replace(&mut *current, user));
        true
    }
}

fn decrement<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: Option<K>) {
    if let Some(key) = key
        && let Some(count) = counts.get_mut(&key)
    {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.limiter.0.lock();
        counts.all -= 1;
        decrement(&mut counts.by_user, self.user.get_mut().take());
        decrement(&mut counts.by_network, self.network.take());
    }
}

/// Returns the network whose connections are counted together: an IPv4 address, or an IPv6 /64. An
/// internet provider usually gives each customer a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_until_a_permit_is_dropped() {
        let limiter = Arc::<ConnectionLimiter>::default();
        let limits = Limits::default()
            .max_connections(4)
            .max_connections_per_user(2)
            .max_connections_per_address(2);
        let admit = |user: Option<&str>, address: &str| {
            let address = address.parse().expect("an address");
            limiter.admit(&limits, user.map(str::to_owned), Some(address))
        };
        let first = admit(Some("ada"), "10.0.0.1").expect("room");
        let _second = admit(Some("ada"), "2001:db8::1").expect("room");
        assert!(
            admit(Some("ada"), "10.0.0.9").is_none(),
            "the third of one user"
        );
        let _mapped = admit(None, "::ffff:10.0.0.1").expect("room");
        assert!(
            admit(None, "10.0.0.1").is_none(),
            "the third from one address"
        );
        let _same_network = admit(None, "2001:db8::ffff").expect("room");
        assert!(admit(None, "10.0.0.2").is_none(), "the fifth in total");
        drop(first);
        assert!(admit(Some("ada"), "10.0.0.1").is_some());
        assert!(limiter.0.lock().by_user.len() == 1);
    }

    #[test]
    fn connection_counts_for_its_current_user() {
        let limiter = Arc::<ConnectionLimiter>::default();
        let limits = Limits::default().max_connections_per_user(1);
        let admit = |user: Option<&str>| limiter.admit(&limits, user.map(str::to_owned), None);
        let change = |permit: &ConnectionPermit, user: Option<&str>| {
            permit.change_user(&limits, user.map(str::to_owned))
        };
        let first = admit(None).expect("room");
        let second = admit(None).expect("room");
        assert!(change(&first, Some("ada")));
        assert!(change(&first, Some("ada")), "it counts once");
        assert!(!change(&second, Some("ada")), "the second of one user");
        assert!(change(&first, Some("bob")));
        assert!(change(&second, Some("ada")), "the first one left ada");
        drop((first, second));
        let counts = limiter.0.lock();
        assert!(counts.by_user.is_empty() && counts.all == 0);
    }
}
