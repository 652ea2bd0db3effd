//! A subscription as a session requests it, and why a shard refuses it.
//!
//! The session prepares everything that takes time: it asks the application, and encodes what the
//! client missed. The shard only applies the value under its lock, or refuses it.

use std::sync::Arc;

use tracing::Span;

use crate::{
    data::{cursor::Cursor, group_id::GroupId, serializer_set::SerializerSet},
    protocol::{broadcast::GroupName, code::ResetReason, dialect::Dialect, frame::Frame, id::Id},
};

/// A subscription that was granted to a session.
#[derive(Debug)]
pub(crate) struct NewSubscription {
    pub(crate) group: GroupId,
    /// The names of the group's keys, as clients write them.
    pub(crate) group_names: Arc<[&'static str]>,
    /// Label of the model.
    pub(crate) model: Arc<str>,
    pub(crate) id: Option<Id>,
    pub(crate) dialect: Dialect,
    pub(crate) granted: SerializerSet,
    /// [`SessionHandle::rights_version`](super::SessionHandle::rights_version) from before the
    /// session asked for the rights.
    pub(crate) rights_version: u64,
    pub(crate) start: StartPoint,
    pub(crate) span: Span,
}

/// Where a subscription starts.
#[derive(Debug)]
pub(crate) enum StartPoint {
    /// After this cursor, or after what was dispatched if that is later.
    Now(Option<Cursor>),
    /// Where the client left.
    Resumed {
        since: Cursor,
        /// What the client missed, encoded.
        replayed: Vec<Frame>,
        /// The message after it, if it is a unit.
        unit_end: Option<Frame>,
        /// Number of the last batch that `replayed` covers.
        batch_id: u64,
    },
    /// The client must fetch again; the subscription starts as with `Now`.
    Reset(ResetReason, Option<Cursor>),
}

impl StartPoint {
    /// Returns the earliest position at which the subscription can start.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::Now(head) | Self::Reset(_, head) => head.as_ref(),
            Self::Resumed { since, .. } => Some(since),
        }
    }
}

impl NewSubscription {
    /// Encodes the answers to the request: the subscription starts at `cursor`.
    pub(crate) fn answers(&self, cursor: &Cursor) -> Vec<Frame> {
        let group = GroupName {
            names: &self.group_names,
            value: &self.group.value,
        };
        let id = self.id.as_ref();
        let subscribed = |cursor: &Cursor, recovered: bool| {
            let dialect = self.dialect;
            dialect.subscribed(id, &self.model, group, cursor, recovered)
        };
        match &self.start {
            StartPoint::Now(_) => Vec::from_iter(subscribed(cursor, true)),
            StartPoint::Resumed { since, .. } => Vec::from_iter(subscribed(since, true)),
            StartPoint::Reset(reason, _) => {
                let reset = self.dialect.reset(id, &self.model, *reason, cursor);
                subscribed(cursor, false)
                    .into_iter()
                    .chain([reset])
                    .collect()
            }
        }
    }
}

/// Why a shard refuses a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SubscribeError {
    /// The session has the maximum number of subscriptions.
    TooMany,
    /// The id names another subscription of the session.
    IdInUse,
    /// The session's rights changed since the question was asked, or the log began a new epoch.
    Outdated,
    /// The dispatcher has begun this batch, which is later than the last one that the replay
    /// covers.
    Advanced(u64),
    /// A unit is being published: the replay would come between its frames.
    UnitOpen,
    /// The session has ended.
    Gone,
}
