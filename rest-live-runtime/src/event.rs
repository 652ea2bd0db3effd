//! What capture produces and everything after it consumes: one row change.
//!
//! Plain data. Who makes events is [`crate::capture`]; who reads them is the dispatcher.

use std::{any::Any, fmt, sync::Arc, time::SystemTime};

use sea_orm::ModelTrait;

use crate::key::KeyValue;

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

impl fmt::Debug for Row {
    // The columns stay out: rows end up in logs, and a row may hold what a log must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(..)")
    }
}

/// One captured row change.
///
/// Which rows are there says what is known:
///
/// | change | `old` | `new` |
/// |---|---|---|
/// | [`Created`](Action::Created) | `None` | the row |
/// | [`Updated`](Action::Updated), every group stayed the same, and everybody may see it | `None` | the row after |
/// | [`Updated`](Action::Updated), a group column may have changed, or a permission decides | the row before | the row after |
/// | [`Deleted`](Action::Deleted) | the row before | `None` |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Label of the model, `todolist.Task`.
    pub model: Arc<str>,
    /// What the write did.
    pub action: Action,
    /// Primary key of the row.
    pub key: KeyValue,
    /// The row before the write, as far as it was needed.
    pub old: Option<Row>,
    /// The row after the write.
    pub new: Option<Row>,
    /// When it was captured. Order is the log's business; this is for latencies.
    pub captured: SystemTime,
}

impl Event {
    /// Returns the event of a row that was inserted.
    pub fn created(model: Arc<str>, key: KeyValue, new: Row) -> Self {
        Self {
            model,
            action: Action::Created,
            key,
            old: None,
            new: Some(new),
            captured: SystemTime::now(),
        }
    }

    /// Returns the event of a row that was updated; without `old`, one that stayed in its groups.
    pub fn updated(model: Arc<str>, key: KeyValue, old: Option<Row>, new: Row) -> Self {
        Self {
            model,
            action: Action::Updated,
            key,
            old,
            new: Some(new),
            captured: SystemTime::now(),
        }
    }

    /// Returns the event of a row that was deleted.
    pub fn deleted(model: Arc<str>, key: KeyValue, old: Row) -> Self {
        Self {
            model,
            action: Action::Deleted,
            key,
            old: Some(old),
            new: None,
            captured: SystemTime::now(),
        }
    }
}
