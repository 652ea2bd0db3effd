//! The address of a group.

use super::key::KeyValue;

/// The index of a (model, group key) pair in the registry. It is stable while its `Live` exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupIndex(pub(crate) usize);

/// The address of a group: all rows of a model with one value in the column of a group key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupId {
    /// The model and the group key.
    pub(crate) index: GroupIndex,
    /// The value of the group key.
    pub(crate) value: KeyValue,
}
