//! Which serializers' filters the rows of a change pass.

use super::RowVersion;
use crate::{
    data::{
        event::{Action, Row, RowChange},
        group_id::GroupId,
        scope::Scope,
        serializer_set::SerializerSet,
    },
    metrics::Metrics,
    model::registry::{FilterPanic, GroupEntry, ModelEntry},
    user_code::UserPanic,
};

/// For each row of a change, the serializers of a group key whose filters it passes.
#[derive(Clone, Debug, Default)]
pub(super) struct FilteredRows {
    /// By the indices of the old rows. A row that is missing here passes each filter.
    pub(super) old: Vec<SerializerSet>,
    /// `None` if the new row passes each filter.
    pub(super) new: Option<SerializerSet>,
}

/// Why it is not known what a change means to the groups of its model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnknownChange {
    /// A filter panicked.
    #[error(transparent)]
    FilterPanic(#[from] FilterPanic),
    /// Other application code panicked, which reads a column.
    #[error(transparent)]
    Panic(#[from] UserPanic),
    /// A filter hides the new row, and the event does not have the old one.
    #[error("a filter hides the row, and the event does not have the row before the write")]
    OldRowMissing,
    /// Filters returned different results for the same rows.
    #[error("a filter returned another result than before for the same row")]
    Inconsistent,
}

impl UnknownChange {
    /// Logs why the change is not known, with what the clients receive instead. Counts a panic.
    pub(crate) fn report(&self, model: &ModelEntry, consequence: &str, metrics: &Metrics) {
        let model = &*model.label;
        match self {
            Self::FilterPanic(panicked) => {
                tracing::error!(model, %panicked, "a filter panicked: {consequence}");
                metrics.panics.increment(1);
            }
            Self::Panic(panicked) => {
                tracing::error!(model, %panicked, "the application's code panicked: {consequence}");
                metrics.panics.increment(1);
            }
            Self::OldRowMissing => tracing::warn!(
                model,
                "an event does not have the row before the write, which a filter needs: {consequence}. In every program that shares the event log, register the same serializers with the same filters"
            ),
            Self::Inconsistent => tracing::warn!(
                model,
                "a filter returned another result than before for the same row: {consequence}. A filter must depend on the row alone, not on the time or on other data"
            ),
        }
    }
}

impl FilteredRows {
    /// Asks the filters about each row of a change.
    ///
    /// # Errors
    /// The change is not known.
    pub(super) fn new(entry: &GroupEntry, row_change: &RowChange) -> Result<Self, UnknownChange> {
        if !entry.has_filter() {
            return Ok(Self::default());
        }
        let new = row_change.new.as_ref();
        let new = new.map(|new| entry.filter_row(new)).transpose()?;
        let is_hidden = |passed: SerializerSet| {
            let mut indices = 0..entry.serializers.len();
            indices.any(|index| !passed.has(index))
        };
        if row_change.old.is_empty()
            && row_change.action == Action::Updated
            && new.is_some_and(is_hidden)
        {
            // The writer has no filter for this model, so it did not read the old row.
            return Err(UnknownChange::OldRowMissing);
        }
        let old = row_change.old.iter().map(|old| entry.filter_row(old));
        let old = old.collect::<Result<_, _>>()?;
        Ok(Self { old, new })
    }

    /// Returns the serializers whose filters a row passes.
    pub(super) fn serializers(&self, version: RowVersion) -> SerializerSet {
        let passed = match version {
            RowVersion::Old(index) => self.old.get(index).copied(),
            RowVersion::New => self.new,
        };
        passed.unwrap_or(SerializerSet::ALL)
    }

    /// Returns the group that contains a row, `None` if it is in no group of the key: its group
    /// column is NULL, or it passes no filter.
    pub(super) fn group_of(
        &self,
        version: RowVersion,
        row: &Row,
        entry: &GroupEntry,
        scope: Option<&Scope>,
    ) -> Option<GroupId> {
        if self.serializers(version) == SerializerSet::NONE {
            return None;
        }
        entry.group_of(row, scope)
    }
}
