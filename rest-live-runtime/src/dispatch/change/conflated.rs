//! All changes of a row since a client left, as one change.

use std::cell::Cell;

use super::{
    Change, RowVersion, Transition, UnknownChange, Variant, changes_of_key, filtered::FilteredRows,
};
use crate::{
    data::{
        event::{Action, RowChange},
        group_id::GroupId,
        serializer_set::SerializerSet,
    },
    model::{permission::Identity, registry::GroupEntry},
};

/// All changes of a row since a client left, as one group sees them: from how the row was to how it
/// is.
#[derive(Debug)]
pub(crate) struct ConflatedChange {
    /// The old rows are all that were in the group, oldest first. The new one is the row as it is,
    /// if it is in the group.
    pub(crate) row_change: RowChange,
    filtered: FilteredRows,
    /// Number of old rows that show how the row was when the client left.
    initial: usize,
    /// Whether the row was in the group when the client left, but was not read because nothing
    /// depended on it.
    was_present: bool,
}

impl ConflatedChange {
    /// Combines changes of a row that concern a group, oldest first; `None` if there are none.
    ///
    /// # Errors
    /// A filter does not decide, or returned another result when the changes were dispatched.
    pub(crate) fn new(
        entry: &GroupEntry,
        group: &GroupId,
        row_changes: &[&RowChange],
    ) -> Result<Option<Self>, UnknownChange> {
        let (mut old, mut new) = (Vec::new(), None);
        let mut filtered = FilteredRows::default();
        let (mut initial, mut was_present) = (None, false);
        for row_change in row_changes {
            let scope = group.scope.as_ref();
            let mut changes = changes_of_key(entry, scope, row_change)?.into_iter();
            let Some(change) = changes.find(|change| change.group == *group) else {
                return Err(UnknownChange::Inconsistent);
            };
            let (left, now) = match &change.transition {
                Transition::Appeared(now) => (&[][..], Some(*now)),
                Transition::Disappeared(left) => (&left[..], None),
                Transition::Stayed { old, new, .. } => (&old[..], Some(*new)),
            };
            old.extend(new.take());
            old.extend(left.iter().map(|index| row_change.old[*index].clone()));
            if entry.has_filter() {
                filtered.old.extend(filtered.new);
                let serializers =
                    |index: &usize| change.filtered.serializers(RowVersion::Old(*index));
                filtered.old.extend(left.iter().map(serializers));
                filtered.new = now.map(|_| change.filtered.serializers(RowVersion::New));
            }
            new = now.cloned();
            if initial.is_none() {
                let may_be_missing = matches!(
                    change.transition,
                    Transition::Stayed {
                        may_be_missing: true,
                        ..
                    }
                );
                initial = Some(if may_be_missing { 0 } else { left.len() });
                was_present = left.is_empty()
                    && !may_be_missing
                    && matches!(change.transition, Transition::Stayed { .. });
            }
        }
        let (Some(last), Some(initial)) = (row_changes.last(), initial) else {
            return Ok(None);
        };
        let action = match new {
            Some(_) => Action::Updated,
            None => Action::Deleted,
        };
        Ok(Some(Self {
            row_change: RowChange {
                action,
                key: last.key.clone(),
                old,
                new,
            },
            filtered,
            initial,
            was_present,
        }))
    }

    /// Returns it as a change of the group.
    pub(crate) fn as_change<'e>(&'e self, entry: &'e GroupEntry, group: &GroupId) -> Change<'e> {
        let old = (0..self.row_change.old.len()).collect();
        Change {
            group: group.clone(),
            entry,
            row_change: &self.row_change,
            filtered: self.filtered.clone(),
            transition: match &self.row_change.new {
                Some(new) => Transition::Stayed {
                    old,
                    new,
                    may_be_missing: false,
                },
                None => Transition::Disappeared(old),
            },
            panics: Cell::new(0),
        }
    }

    /// Returns what a subscriber receives that may have fetched the row at any time since it left.
    /// Therefore it is also informed that a row is gone which appeared and disappeared meanwhile.
    pub(crate) fn variant_for(
        &self,
        change: &Change<'_>,
        user: &Identity,
        granted: SerializerSet,
    ) -> Option<Variant> {
        let variant = || {
            if let Some(serializer) = change.serializer_of(RowVersion::New, user, granted)? {
                let initial: Vec<_> = (0..self.initial).collect();
                let was_visible =
                    self.was_present || change.last_visible(&initial, user, granted)?.is_some();
                let action = if was_visible {
                    Action::Updated
                } else {
                    Action::Created
                };
                return Ok(Some(Variant::new(serializer, action, RowVersion::New)));
            }
            let old: Vec<_> = (0..self.row_change.old.len()).collect();
            let last = change.last_visible(&old, user, granted)?;
            Ok(last.map(Variant::deleted))
        };
        change.hide_on_panic(variant())
    }
}
