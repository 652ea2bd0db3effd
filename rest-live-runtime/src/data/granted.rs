//! The serializers that a subscription was granted.

/// The serializers of a group that a subscription was granted, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted(u64);

impl Granted {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, serializer: usize) -> Self {
        Self(self.0 | 1 << serializer)
    }

    pub(crate) fn has(self, serializer: usize) -> bool {
        self.0 & 1 << serializer != 0
    }
}
