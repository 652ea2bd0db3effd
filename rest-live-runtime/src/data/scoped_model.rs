//! A model in one scope.

use std::sync::Arc;

use super::scope::Scope;

/// A model in one scope, or in none: what a reset concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopedModel {
    /// The label of the model.
    pub(crate) label: Arc<str>,
    pub(crate) scope: Option<Scope>,
}

impl ScopedModel {
    pub(crate) fn new(label: Arc<str>, scope: Option<Scope>) -> Self {
        Self { label, scope }
    }
}
