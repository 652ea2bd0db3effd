//! The change of a row, which capture produces and everything after it consumes.
//!
//! [`crate::capture`] creates events; the dispatcher reads them.

use std::{any::Any, fmt, sync::Arc, time::SystemTime};

use sea_orm::ModelTrait;

use super::{key::KeyValue, row_id::RowId, scope::Scope, scoped_model::ScopedModel};

/// What happened to a row. In a message to a client, it is what happened from the subscriber's
/// point of view.
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
    /// Returns the word in the protocol: `CREATED`, `UPDATED` or `DELETED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One row of a model: a SeaORM `Model`, shared and type-erased.
///
/// In the rows that rest-live captures, *unused* columns have the default of their type: texts,
/// bytes, JSON and arrays that no serializer, key, filter or permission of the model uses.
#[derive(Clone)]
pub struct Row {
    model: Arc<dyn Any + Send + Sync>,
    /// What the row takes of the memory budget.
    bytes: usize,
}

impl Row {
    /// Wraps a SeaORM model. Its texts, bytes, JSON and arrays do not count in the [memory
    /// budget](crate::LiveBuilder::memory_budget).
    pub fn new<M: ModelTrait + Sync + 'static>(model: M) -> Self {
        Self::with_bytes(model, size_of::<M>())
    }

    /// Wraps a SeaORM model that takes this number of bytes.
    pub(crate) fn with_bytes<M: ModelTrait + Sync + 'static>(model: M, bytes: usize) -> Self {
        Self {
            model: Arc::new(model),
            bytes,
        }
    }

    /// Returns the model, if it is an `M`.
    pub fn downcast<M: ModelTrait + Sync + 'static>(&self) -> Option<&M> {
        self.model.downcast_ref()
    }

    /// Returns the row with its number of bytes.
    pub(crate) fn measured(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Returns how many bytes of memory the row takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether both are the same value in memory: one read of one row.
    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model)
    }
}

impl fmt::Debug for Row {
    // Without the columns: a row that is printed to a log may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(..)")
    }
}

/// A captured change: of one row, or of unknown rows of a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The label of the model, such as `todolist.Task`.
    pub model: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// The scope of the connection or transaction that wrote; `None` if it has none. Only sessions
    /// of the same scope receive the event.
    pub scope: Option<Scope>,
    /// When the change was captured. rest-live uses it only to measure latencies, not to order
    /// events.
    pub captured: SystemTime,
}

/// What happened in an [`Event`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// One row changed.
    Row(RowChange),
    /// Unknown rows changed: the model's subscribers must fetch again.
    Reset,
}

/// One captured row change.
///
/// The rows that it contains depend on the change:
///
/// | change | `old` | `new` |
/// |---|---|---|
/// | created | none | the new row |
/// | updated, and the row stayed in its groups | none | the row after |
/// | updated, and it may have changed its groups or its viewers | the row before | the row after |
/// | deleted | the row before | `None` |
/// | read again after overlapping writes | the rows before and after each write | the row now |
///
/// A row that was read again counts as created if one of these writes created it and was not
/// published itself: subscribers may lack the row then.
///
/// The second case occurs only if the model has no filter and no permission, and the update sets no
/// group column.
/// The last case is [`Event::reread`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RowChange {
    /// What the write did to the row.
    pub action: Action,
    /// The primary key of the row.
    pub key: KeyValue,
    /// The states of the row that clients may hold, if they are needed; usually the row before the
    /// write.
    pub old: Vec<Row>,
    /// The row after the write.
    pub new: Option<Row>,
}

impl Event {
    /// Creates the event of an inserted row.
    pub fn created(model: Arc<str>, key: KeyValue, new: Row) -> Self {
        Self::row(model, Action::Created, key, Vec::new(), Some(new))
    }

    /// Creates the event of an updated row. Without `old`, the row must have stayed in its groups.
    pub fn updated(model: Arc<str>, key: KeyValue, old: Option<Row>, new: Row) -> Self {
        let old = Vec::from_iter(old);
        Self::row(model, Action::Updated, key, old, Some(new))
    }

    /// Creates the event of a deleted row.
    pub fn deleted(model: Arc<str>, key: KeyValue, old: Row) -> Self {
        Self::row(model, Action::Deleted, key, vec![old], None)
    }

    /// Creates the event of a row that was read again because writes of it overlapped. `old` are
    /// the rows before and after each write, oldest first. `new` is the row as it was read.
    pub fn reread(model: Arc<str>, key: KeyValue, old: Vec<Row>, new: Option<Row>) -> Self {
        let action = if new.is_some() {
            Action::Updated
        } else {
            Action::Deleted
        };
        Self::row(model, action, key, old, new)
    }

    /// Marks a row that was read again as created, if it exists, because a write that created it
    /// was not published.
    pub(crate) fn with_creation(self, creates: bool) -> Self {
        if creates && self.as_row().is_some_and(|change| change.new.is_some()) {
            self.with_action(Action::Created)
        } else {
            self
        }
    }

    /// Sets what happened to the row. A reset stays as it is.
    pub(crate) fn with_action(mut self, action: Action) -> Self {
        if let EventKind::Row(change) = &mut self.kind {
            change.action = action;
        }
        self
    }

    /// Creates the event that unknown rows of a model changed.
    pub fn reset(model: Arc<str>) -> Self {
        Self {
            model,
            kind: EventKind::Reset,
            scope: None,
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
            scope: None,
            captured: SystemTime::now(),
        }
    }

    /// Returns about how many bytes of memory the event takes. Rows that it shares with other
    /// events count in each of them.
    pub(crate) fn bytes(&self) -> usize {
        /// Handles and counters, and the entries in queues and maps.
        const OVERHEAD: usize = size_of::<Event>() + 64;
        let rows = match &self.kind {
            EventKind::Reset => 0,
            EventKind::Row(change) => {
                let rows = change.old.iter().chain(&change.new);
                rows.map(|row| size_of::<Row>() + row.bytes())
                    .sum::<usize>()
                    + change.key.text_bytes()
            }
        };
        OVERHEAD + rows
    }

    /// Moves the event to a scope. A new event has none.
    #[must_use]
    pub fn in_scope(mut self, scope: Option<Scope>) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the model, with the scope.
    pub(crate) fn scoped_model(&self) -> ScopedModel {
        ScopedModel::new(Arc::clone(&self.model), self.scope.clone())
    }

    /// Returns the row with this key of the event's model and scope.
    pub(crate) fn row_id(&self, key: &KeyValue) -> RowId {
        RowId::new(self.scoped_model(), key.clone())
    }

    /// Returns the row change, or `None` for a reset.
    pub fn as_row(&self) -> Option<&RowChange> {
        match &self.kind {
            EventKind::Row(change) => Some(change),
            EventKind::Reset => None,
        }
    }
}
