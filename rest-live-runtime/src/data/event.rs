//! What capture produces and everything after it consumes: the change of a row.
//!
//! Plain data. Who makes events is [`crate::capture`]; who reads them is the dispatcher.

use std::{any::Any, fmt, sync::Arc, time::SystemTime};

use sea_orm::ModelTrait;

use super::key::KeyValue;

/// What happened to a row, or, in a frame, what a subscriber saw happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The row appeared.
    Created,
    /// The row changed.
    Updated,
    /// The row disappeared.
    Deleted,
}

impl Action {
    /// Returns the word on the wire: `CREATED`, `UPDATED` or `DELETED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One row of a model, shared and type-erased: the SeaORM `Model` it was read as.
#[derive(Clone)]
pub struct Row(Arc<dyn Any + Send + Sync>);

impl Row {
    /// Wraps a SeaORM model.
    pub fn new<M: ModelTrait + Sync + 'static>(model: M) -> Self {
        Self(Arc::new(model))
    }

    /// Returns the model, if it is an `M`.
    pub fn downcast<M: ModelTrait + Sync + 'static>(&self) -> Option<&M> {
        self.0.downcast_ref()
    }
}

impl Row {
    /// Returns whether it is the same reading of the same row.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Row {
    // The columns stay out: rows end up in logs, and a row may hold what a log must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(..)")
    }
}

/// What was captured: a change of one row, or that rows of a model changed that are not known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Label of the model, `todolist.Task`.
    pub model: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// When it was captured. Order is the log's business; this is for latencies.
    pub captured: SystemTime,
}

/// What an [`Event`] says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// One row changed.
    Row(RowChange),
    /// Rows changed that are not known: the model's subscribers fetch again.
    Reset,
}

/// One captured row change.
///
/// Which rows are there says what is known:
///
/// | change | `old` | `new` |
/// |---|---|---|
/// | [`Created`](Action::Created) | none | the row |
/// | [`Updated`](Action::Updated), every group stayed the same, and everybody may see it | none | the row after |
/// | [`Updated`](Action::Updated), a group column may have changed, or a permission decides | the row before | the row after |
/// | [`Deleted`](Action::Deleted) | the row before | `None` |
/// | *settled*: writes overlapped, so that the row was read again | each row that one of them named, oldest first | the row as it was read |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RowChange {
    /// What the write did.
    pub action: Action,
    /// Primary key of the row.
    pub key: KeyValue,
    /// The row before the write, as far as it was needed: what subscribers may hold.
    pub old: Vec<Row>,
    /// The row after the write.
    pub new: Option<Row>,
}

impl Event {
    /// Returns the event of a row that was inserted.
    pub fn created(model: Arc<str>, key: KeyValue, new: Row) -> Self {
        Self::row(model, Action::Created, key, Vec::new(), Some(new))
    }

    /// Returns the event of a row that was updated; without `old`, one that stayed in its groups.
    pub fn updated(model: Arc<str>, key: KeyValue, old: Option<Row>, new: Row) -> Self {
        let old = Vec::from_iter(old);
        Self::row(model, Action::Updated, key, old, Some(new))
    }

    /// Returns the event of a row that was deleted.
    pub fn deleted(model: Arc<str>, key: KeyValue, old: Row) -> Self {
        Self::row(model, Action::Deleted, key, vec![old], None)
    }

    /// Returns the event of a row that overlapping writes changed: `named` are the rows before and after
    /// each of them, `found` is the row as it is.
    pub fn reread(model: Arc<str>, key: KeyValue, named: Vec<Row>, found: Option<Row>) -> Self {
        let action = match found {
            Some(_) => Action::Updated,
            None => Action::Deleted,
        };
        Self::row(model, action, key, named, found)
    }

    /// Returns the event of rows that are not known.
    pub fn reset(model: Arc<str>) -> Self {
        Self {
            model,
            kind: EventKind::Reset,
            captured: SystemTime::now(),
        }
    }

    fn row(
        model: Arc<str>,
        action: Action,
        key: KeyValue,
        old: Vec<Row>,
        new: Option<Row>,
    ) -> Self {
        let change = RowChange {
            action,
            key,
            old,
            new,
        };
        Self {
            model,
            kind: EventKind::Row(change),
            captured: SystemTime::now(),
        }
    }

    /// Returns the change of a row, if it is one.
    pub fn as_row(&self) -> Option<&RowChange> {
        match &self.kind {
            EventKind::Row(change) => Some(change),
            EventKind::Reset => None,
        }
    }
}
