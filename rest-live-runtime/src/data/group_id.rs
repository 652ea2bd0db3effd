//! The address of a group.

use std::sync::Arc;

use super::{key::KeyValue, scope::Scope, scoped_model::ScopedModel};

/// The index of a (model, group key) pair in the registry. It is stable while its `Live` exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupIndex(pub(crate) usize);

/// The address of a group: all rows of a model, in one scope, with given values in the columns of a
/// group key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupId {
    /// The model and the group key.
    pub(crate) index: GroupIndex,
    pub(crate) scope: Option<Scope>,
    /// The value of the group key: that of its only column, or a composite of the values of several
    /// columns, which is empty for the group of all rows.
    pub(crate) value: KeyValue,
}

impl GroupId {
    /// Returns the model of the group, by its label, in the group's scope.
    pub(crate) fn scoped_model(&self, label: &Arc<str>) -> ScopedModel {
        ScopedModel::new(Arc::clone(label), self.scope.clone())
    }
}
