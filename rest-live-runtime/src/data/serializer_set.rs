//! A set of serializers.

/// A set of serializers of one group, as a bit for each index in `GroupEntry::serializers`.
///
/// A subscription receives rows only through the serializers that it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SerializerSet(u64);

impl SerializerSet {
    /// Maximum number of serializers of one group. The registry refuses more.
    pub(crate) const CAPACITY: usize = u64::BITS as usize;

    pub(crate) const NONE: Self = Self(0);

    /// Every serializer of any group.
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) const fn with(self, index: usize) -> Self {
        Self(self.0 | 1 << index)
    }

    /// Returns the serializers that are in both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn has(self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }
}
