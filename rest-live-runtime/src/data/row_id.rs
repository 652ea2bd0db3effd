//! The identity of a row.

use super::{key::KeyValue, scoped_model::ScopedModel};

/// Identifies a row. Rows of two scopes are different rows, even if they have the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowId {
    pub(crate) model: ScopedModel,
    /// The primary key.
    pub(crate) key: KeyValue,
}

impl RowId {
    pub(crate) fn new(model: ScopedModel, key: KeyValue) -> Self {
        Self { model, key }
    }
}
