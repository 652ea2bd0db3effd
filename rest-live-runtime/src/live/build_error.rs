//! Why a `Live` cannot be built.

use std::fmt;

use crate::model::registry::RegistryError;

/// Why [`LiveBuilder::build`](crate::LiveBuilder::build) failed.
///
/// `Debug` prints the same text as `Display`, because a `main` that returns the error prints
/// `Debug`.
#[non_exhaustive]
pub enum BuildError {
    /// All mistakes in the registered serializers.
    Registry(Vec<RegistryError>),
    /// No page can have an entry of
    /// [`LiveBuilder::allowed_origins`](crate::LiveBuilder::allowed_origins) as its origin.
    Origin {
        /// The entry.
        entry: String,
        /// What is wrong with it, and what to write instead.
        problem: &'static str,
    },
    /// [`Limits::max_connections_per_user`](crate::Limits::max_connections_per_user) is set without
    /// [`LiveBuilder::user_key`](crate::LiveBuilder::user_key).
    NoUserKey,
    /// `build` was called outside a tokio runtime.
    NoRuntime,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(errors) => {
                let mistakes = if errors.len() == 1 {
                    "a mistake"
                } else {
                    "mistakes"
                };
                write!(f, "{mistakes} in the registered serializers:")?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Origin { entry, problem } => {
                write!(f, "{entry:?} in LiveBuilder::allowed_origins {problem}")
            }
            Self::NoUserKey => f.write_str(
                "Limits::max_connections_per_user needs to know which connections belong to one user: add .user_key(|user| ..) to the builder",
            ),
            Self::NoRuntime => f.write_str(
                "Live::builder(..).build() must be called in a tokio runtime, such as under #[tokio::main]",
            ),
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
