//! A subscription that was granted, and why a session cannot have it all the same.

use std::sync::Arc;

use tracing::Span;

use crate::{
    change::Granted,
    cursor::Cursor,
    dialect::{Dialect, Id},
    group::GroupKey,
};

/// A subscription that was granted.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) group: GroupKey,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) id: Option<Id>,
    pub(crate) dialect: Dialect,
    pub(crate) granted: Granted,
    /// [`Hub::asking`](super::Hub::asking) from before the question.
    pub(crate) asked: u64,
    /// The head of the log.
    pub(crate) head: Cursor,
    pub(crate) span: Span,
}

/// Why a session cannot have a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has all that it may have.
    TooMany,
    /// The id names another.
    IdInUse,
    /// Who may see what has changed since it was granted, or the log has begun anew.
    Outdated,
    /// The session is over.
    Gone,
}
