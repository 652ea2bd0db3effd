//! The tenant that writes and sessions belong to.

use std::{fmt, sync::Arc};

/// A tenant of the application, such as the name of its database schema.
///
/// Writes and sessions belong to one scope, or to none. Groups of different scopes never meet: a
/// session receives only the changes of its own scope. Cloning is cheap.
// A box in an `Arc`, so that the pointer is thin: each event and each group has a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<Box<str>>);

impl Scope {
    /// Creates a scope by its name.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(Arc::new(name.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Scope {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Scope {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
