//! The numbers by which the parts of a shard refer to each other.

/// Identifies a client of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientId {
    /// Index in the slab of clients. A later client can have the same index.
    pub(crate) index: usize,
    /// Never used twice.
    pub(crate) number: u64,
}

/// Identifies a subscription of a shard. Never used twice, and the same until the subscription
/// ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionId(pub(super) u64);

impl SubscriptionId {
    /// Returns the number, which is greater than those of earlier subscriptions.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// Identifies what a subscription was granted last. Never used twice in a shard: a subscription
/// that is shown by other serializers gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrantId(pub(super) u64);

/// Locates a subscriber: the index of its group in the shard, and its own index in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberKey {
    group: u32,
    subscriber: u32,
}

impl SubscriberKey {
    pub(crate) fn new(group: usize, subscriber: usize) -> Self {
        Self {
            group: group as u32,
            subscriber: subscriber as u32,
        }
    }

    pub(crate) fn group(self) -> usize {
        self.group as usize
    }

    pub(crate) fn subscriber(self) -> usize {
        self.subscriber as usize
    }
}
