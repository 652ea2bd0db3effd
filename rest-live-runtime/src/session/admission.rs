//! How many connections there may be: in all, of one user, from one address.

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

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    admissions: Arc<ConnectionLimiter>,
    user: Option<String>,
    network: Option<IpAddr>,
}

impl ConnectionLimiter {
    /// Takes a place; `None` where there is none left.
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
        let of_user = user.as_ref().and_then(|user| counts.by_user.get(user));
        let of_network = network.and_then(|network| counts.by_network.get(&network));
        let is_full = [
            (Some(&counts.all), limits.max_connections),
            (of_user, limits.max_connections_per_user),
            (of_network, limits.max_connections_per_address),
        ]
        .into_iter()
        .any(|(count, most)| most.is_some_and(|most| count.copied().unwrap_or(0) >= most));
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
            admissions: Arc::clone(self),
            user,
            network,
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: Option<K>) {
            if let Some(key) = key
                && let Some(count) = counts.get_mut(&key)
            {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&key);
                }
            }
        }
        let mut counts = self.admissions.0.lock();
        counts.all -= 1;
        leave(&mut counts.by_user, self.user.take());
        leave(&mut counts.by_network, self.network.take());
    }
}

/// One subscriber of an internet provider has a /64 of IPv6 addresses to choose from.
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
    fn each_limit_holds_and_a_place_is_free_again() {
        let admissions = Arc::<ConnectionLimiter>::default();
        let limits = Limits::default()
            .max_connections(4)
            .max_connections_per_user(2)
            .max_connections_per_address(2);
        let admit = |user: Option<&str>, address: &str| {
            let address = address.parse().expect("an address");
            admissions.admit(&limits, user.map(str::to_owned), Some(address))
        };
        let first = admit(Some("ada"), "10.0.0.1").expect("room");
        let _second = admit(Some("ada"), "2001:db8::1").expect("room");
        assert!(
            admit(Some("ada"), "10.0.0.9").is_none(),
            "a third of one user"
        );
        let _mapped = admit(None, "::ffff:10.0.0.1").expect("room");
        assert!(
            admit(None, "10.0.0.1").is_none(),
            "a third from one address"
        );
        let _same_network = admit(None, "2001:db8::ffff").expect("room");
        assert!(admit(None, "10.0.0.2").is_none(), "a fifth");
        drop(first);
        assert!(admit(Some("ada"), "10.0.0.1").is_some());
        assert!(admissions.0.lock().by_user.len() == 1);
    }
}
