//! A subscription that was granted, and why a session cannot have it all the same.

use std::sync::Arc;

use tracing::Span;

use crate::{
    data::{cursor::Cursor, granted::Granted, group_id::GroupId},
    protocol::{dialect::Dialect, frame::Frame, id::Id},
};

/// A subscription that was granted.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) group: GroupId,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) id: Option<Id>,
    pub(crate) dialect: Dialect,
    pub(crate) granted: Granted,
    /// [`Hub::asking`](super::Hub::asking) from before the question.
    pub(crate) asked: u64,
    /// Where it begins: behind this, or behind what was handed out if that is later.
    pub(crate) after: Option<Cursor>,
    pub(crate) span: Span,
}

/// What a client is told when its subscription begins.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) answers: Vec<Frame>,
    /// What it missed: of the subscription, and gone with it.
    pub(crate) replayed: Vec<Frame>,
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
    /// Something has happened that it is not told.
    Missed,
    /// The session is over.
    Gone,
}
