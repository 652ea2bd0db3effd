//! The address of a group.

use super::key::KeyValue;

/// Place of a (model, group key) in the registry; stable while a `Live` exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupIndex(pub(crate) usize);

/// The address of a group: all subscriptions on one (model, group key, value).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupId {
    /// The (model, group key).
    pub(crate) index: GroupIndex,
    /// The value.
    pub(crate) value: KeyValue,
}
