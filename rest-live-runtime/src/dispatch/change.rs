//! What one event means to each group and to each user: whether the user sees the row appear,
//! change or disappear, and by which serializer.
//!
//! The dispatcher asks it for each event, and [`replay`](super::replay) for what a client missed.

pub(crate) mod conflated;
mod filtered;

use std::cell::Cell;

use self::filtered::FilteredRows;
pub(crate) use self::filtered::UnknownChange;
use crate::{
    data::{
        event::{Action, Row, RowChange},
        group_id::GroupId,
        scope::Scope,
        serializer_set::SerializerSet,
    },
    metrics::Metrics,
    model::{
        permission::Identity,
        registry::{GroupEntry, ModelEntry},
    },
    user_code::UserPanic,
};

/// What happened to a row in one group.
pub(crate) struct Change<'e> {
    pub(crate) group: GroupId,
    pub(crate) entry: &'e GroupEntry,
    row_change: &'e RowChange,
    filtered: FilteredRows,
    transition: Transition<'e>,
    /// Number of permission checks that panicked; [`report_panics`](Self::report_panics) logs them.
    panics: Cell<u32>,
}

/// How a row entered, left or changed in a group.
///
/// Old rows are given by their indices in [`RowChange::old`]. There are several after writes that
/// overlapped: each is a state that subscribers may hold, the likeliest last.
enum Transition<'e> {
    Appeared(&'e Row),
    Disappeared(Vec<usize>),
    /// There are no old rows if nothing depends on them, or if the writer did not read them.
    /// `may_be_missing`: not in each state that subscribers may hold is the row in the group,
    /// because it was read again after overlapping writes, or because that state is not known. To
    /// a subscriber who lacks the row it appears.
    Stayed {
        old: Vec<usize>,
        new: &'e Row,
        may_be_missing: bool,
    },
}

/// Identifies one of the rows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowVersion {
    /// The old row with this index.
    Old(usize),
    New,
}

/// What one subscriber sees of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    /// Index of the serializer in the group's list.
    pub(crate) serializer: usize,
    pub(crate) action: Action,
    /// The row to show: an old one if it disappears.
    pub(crate) version: RowVersion,
}

/// Returns what the change of a row in a scope means to the groups of its model.
///
/// # Errors
/// A filter does not decide: the model's subscribers must fetch again.
pub(crate) fn group_changes<'e>(
    model: &'e ModelEntry,
    scope: Option<&'e Scope>,
    row_change: &'e RowChange,
) -> Result<Vec<Change<'e>>, UnknownChange> {
    let mut changes = Vec::with_capacity(model.groups.len());
    for entry in &model.groups {
        changes.extend(changes_of_key(entry, scope, row_change)?);
    }
    Ok(changes)
}

/// Returns the groups that the change of a row affects.
///
/// # Errors
/// As [`group_changes`].
pub(crate) fn affected_groups(
    model: &ModelEntry,
    scope: Option<&Scope>,
    row_change: &RowChange,
) -> Result<Box<[GroupId]>, UnknownChange> {
    let changes = group_changes(model, scope, row_change)?;
    Ok(changes.into_iter().map(|change| change.group).collect())
}

/// Returns whether a row moves between groups of one group key. The changes of a key are adjacent.
pub(crate) fn moves(changes: &[Change<'_>]) -> bool {
    let mut pairs = changes.array_windows();
    pairs.any(|[one, other]| std::ptr::eq(one.entry, other.entry))
}

/// Returns what the change of a row means to the groups of one group key. A row that passes no
/// filter of the key is in none of its groups.
fn changes_of_key<'e>(
    entry: &'e GroupEntry,
    scope: Option<&Scope>,
    row_change: &'e RowChange,
) -> Result<Vec<Change<'e>>, UnknownChange> {
    let filtered = FilteredRows::new(entry, row_change)?;
    let change = |group, transition| Change {
        group,
        entry,
        row_change,
        filtered: filtered.clone(),
        transition,
        panics: Cell::new(0),
    };
    let group_of = |version, row| filtered.group_of(version, row, entry, scope);
    let new = row_change
        .new
        .as_ref()
        .and_then(|new| Some((group_of(RowVersion::New, new)?, new)));
    // The row stayed in its group: this is why its old state was not read. Only with a filter is
    // it not known whether subscribers hold the row.
    if row_change.old.is_empty() && row_change.action == Action::Updated {
        let stayed = new.map(|(group, new)| {
            let old = Vec::new();
            let may_be_missing = entry.has_filter();
            change(
                group,
                Transition::Stayed {
                    old,
                    new,
                    may_be_missing,
                },
            )
        });
        return Ok(stayed.into_iter().collect());
    }
    let mut before: Vec<(GroupId, Vec<usize>)> = Vec::new();
    for (index, old) in row_change.old.iter().enumerate() {
        let Some(group) = group_of(RowVersion::Old(index), old) else {
            continue;
        };
        match before.iter_mut().find(|(known, _)| *known == group) {
            Some((_, indices)) => indices.push(index),
            None => before.push((group, vec![index])),
        }
    }
    let stayed = new.as_ref().and_then(|(after, _)| {
        let index = before.iter().position(|(group, _)| group == after)?;
        Some(before.swap_remove(index).1)
    });
    let left = before
        .into_iter()
        .map(|(group, old)| change(group, Transition::Disappeared(old)));
    let now = new.map(|(group, new)| {
        let transition = match stayed {
            Some(old) => Transition::Stayed {
                may_be_missing: row_change.action == Action::Created
                    || old.len() < row_change.old.len(),
                old,
                new,
            },
            None => Transition::Appeared(new),
        };
        change(group, transition)
    });
    Ok(left.chain(now).collect())
}

impl<'e> Change<'e> {
    /// Returns the row that a variant shows.
    pub(crate) fn row(&self, version: RowVersion) -> Option<&'e Row> {
        match version {
            RowVersion::Old(index) => self.row_change.old.get(index),
            RowVersion::New => self.row_change.new.as_ref(),
        }
    }

    /// Returns what every subscriber sees, if it is the same for all.
    pub(crate) fn common_variant(&self) -> Option<Variant> {
        let [shown] = &self.entry.serializers[..] else {
            return None;
        };
        if shown.serializer.permission.is_some() {
            return None;
        }
        let (action, version) = match &self.transition {
            Transition::Appeared(_) => (Action::Created, RowVersion::New),
            Transition::Disappeared(old) => (Action::Deleted, RowVersion::Old(old[old.len() - 1])),
            Transition::Stayed { may_be_missing, .. } => {
                let action = if *may_be_missing {
                    Action::Created
                } else {
                    Action::Updated
                };
                (action, RowVersion::New)
            }
        };
        Some(Variant::new(0, action, version))
    }

    /// Returns what a subscriber sees; `None` if it may see no row of the change. A permission that
    /// panics hides the change only from the user whom it was asked about.
    pub(crate) fn variant_for(&self, user: &Identity, granted: SerializerSet) -> Option<Variant> {
        let created = |serializer| Variant::new(serializer, Action::Created, RowVersion::New);
        let updated = |serializer| Variant::new(serializer, Action::Updated, RowVersion::New);
        let variant = match &self.transition {
            Transition::Appeared(_) => self
                .serializer_of(RowVersion::New, user, granted)
                .map(|serializer| serializer.map(created)),
            Transition::Disappeared(old) => self
                .last_visible(old, user, granted)
                .map(|last| last.map(Variant::deleted)),
            Transition::Stayed {
                old,
                may_be_missing,
                ..
            } if old.is_empty() => self
                .serializer_of(RowVersion::New, user, granted)
                .map(|serializer| serializer.map(if *may_be_missing { created } else { updated })),
            Transition::Stayed {
                old,
                may_be_missing,
                ..
            } => self.last_visible(old, user, granted).and_then(|before| {
                let after = self.serializer_of(RowVersion::New, user, granted)?;
                Ok(match (before, after) {
                    (None, None) => None,
                    (None, Some(serializer)) => Some(created(serializer)),
                    (Some(last), None) => Some(Variant::deleted(last)),
                    (Some(_), Some(serializer)) => {
                        let others = &old[..old.len() - 1];
                        if *may_be_missing || !self.all_visible(others, user, granted)? {
                            Some(created(serializer))
                        } else {
                            Some(updated(serializer))
                        }
                    }
                })
            }),
        };
        self.hide_on_panic(variant)
    }

    /// Counts a panic of a permission, and treats the change as invisible.
    fn hide_on_panic(&self, variant: Result<Option<Variant>, UserPanic>) -> Option<Variant> {
        variant.unwrap_or_else(|_| {
            self.panics.set(self.panics.get() + 1);
            None
        })
    }

    /// Returns the index of the serializer by which a user sees a row: the highest rank that was
    /// granted, and whose filter and permission pass.
    fn serializer_of(
        &self,
        version: RowVersion,
        user: &Identity,
        granted: SerializerSet,
    ) -> Result<Option<usize>, UserPanic> {
        let Some(row) = self.row(version) else {
            return Ok(None);
        };
        let serializers = granted.and(self.filtered.serializers(version));
        self.entry.permitted_serializer(user, serializers, row)
    }

    /// Returns the last of these old rows that a user may see: its index, and its serializer's.
    fn last_visible(
        &self,
        old: &[usize],
        user: &Identity,
        granted: SerializerSet,
    ) -> Result<Option<(usize, usize)>, UserPanic> {
        for index in old.iter().rev() {
            let version = RowVersion::Old(*index);
            if let Some(serializer) = self.serializer_of(version, user, granted)? {
                return Ok(Some((*index, serializer)));
            }
        }
        Ok(None)
    }

    /// Returns whether a user may see each of these old rows. There are several only after writes
    /// that overlapped.
    fn all_visible(
        &self,
        old: &[usize],
        user: &Identity,
        granted: SerializerSet,
    ) -> Result<bool, UserPanic> {
        for index in old {
            if self.last_visible(&[*index], user, granted)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Logs that permissions panicked, if any did, and counts them.
    pub(crate) fn report_panics(&self, model: &ModelEntry, metrics: &Metrics) {
        let panics = self.panics.get();
        if panics > 0 {
            let (model, group_key) = (&*model.label, &*self.entry.label);
            tracing::error!(
                model,
                group_key,
                panics,
                "check_permission panicked: a change was not sent to the affected subscribers"
            );
            metrics.panics.increment(panics.into());
        }
    }
}

impl Variant {
    fn new(serializer: usize, action: Action, version: RowVersion) -> Self {
        Self {
            serializer,
            action,
            version,
        }
    }

    /// Shows the disappearance of an old row, given by its index and its serializer's.
    fn deleted((old, serializer): (usize, usize)) -> Self {
        Self::new(serializer, Action::Deleted, RowVersion::Old(old))
    }
}

#[cfg(test)]
mod tests;
