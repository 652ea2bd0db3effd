//! What one event means to each group and to each user: who sees the row appear, change or
//! disappear, and by which serializer.

use std::cell::Cell;

use crate::{
    data::{
        event::{Action, Row, RowChange},
        group_id::GroupId,
        serializer_set::SerializerSet,
    },
    metrics::Metrics,
    model::{
        permission::Identity,
        registry::{GroupEntry, ModelEntry},
    },
    user_code::UserPanic,
};

/// What happened to the rows of one group.
pub(crate) struct Change<'e> {
    pub(crate) group: GroupId,
    pub(crate) entry: &'e GroupEntry,
    of: &'e RowChange,
    rows: Rows<'e>,
    /// Permissions that panicked. The first of a change is logged, all are counted.
    pub(crate) panics: Cell<u32>,
}

/// The row, as it was in the group and as it is. The old ones are given by their places; several are what
/// subscribers may hold of it after writes that overlapped, the likeliest last.
enum Rows<'e> {
    Appeared(&'e Row),
    Disappeared(Vec<usize>),
    /// An old row is there if something depends on it.
    Stayed(Vec<usize>, &'e Row),
}

/// Which row of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// The old one with this place.
    Old(usize),
    New,
}

/// What one subscriber sees of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    /// The serializer's place in its group.
    pub(crate) serializer: usize,
    pub(crate) action: Action,
    /// The row to show: an old one where it disappears.
    pub(crate) side: Side,
}

/// Returns what the groups of a model see of the change of a row.
pub(crate) fn changes<'e>(
    model: &'e ModelEntry,
    row: &'e RowChange,
) -> impl Iterator<Item = Change<'e>> {
    model
        .groups
        .iter()
        .flat_map(|entry| in_groups_of(entry, row))
}

/// Returns the groups that the change of a row concerns.
pub(crate) fn groups_of(model: &ModelEntry, row: &RowChange) -> Box<[GroupId]> {
    changes(model, row).map(|change| change.group).collect()
}

fn change_of<'e>(entry: &'e GroupEntry, group: &GroupId, row: &'e RowChange) -> Option<Change<'e>> {
    let mut changes = in_groups_of(entry, row).into_iter();
    changes.find(|change| change.group == *group)
}

/// All that happened to a row since a client left, as far as a group sees it: from how it was to how it is.
#[derive(Debug)]
pub(crate) struct Conflated {
    /// The old rows are all that were in the group, oldest first; the new one is the row as it is, if it is there.
    pub(crate) row: RowChange,
    /// So many of the old rows are how it was in the beginning.
    before: usize,
    /// Whether it was there, which nobody read, for it made no difference.
    was_there: bool,
}

impl Conflated {
    /// Makes one of some changes of a row, in order; `None` where the group is not concerned.
    pub(crate) fn of(entry: &GroupEntry, group: &GroupId, changes: &[&RowChange]) -> Option<Self> {
        let (mut old, mut new) = (Vec::new(), None);
        let (mut before, mut was_there) = (None, false);
        for row in changes {
            let change = change_of(entry, group, row)?;
            let (left, now) = match &change.rows {
                Rows::Appeared(now) => (&[][..], Some(*now)),
                Rows::Disappeared(left) => (&left[..], None),
                Rows::Stayed(left, now) => (&left[..], Some(*now)),
            };
            old.extend(new.take());
            old.extend(left.iter().map(|place| row.old[*place].clone()));
            new = now.cloned();
            if before.is_none() {
                before = Some(left.len());
                was_there = left.is_empty() && matches!(change.rows, Rows::Stayed(..));
            }
        }
        let last = changes.last()?;
        let action = match new {
            Some(_) => Action::Updated,
            None => Action::Deleted,
        };
        Some(Self {
            row: RowChange {
                action,
                key: last.key.clone(),
                old,
                new,
            },
            before: before?,
            was_there,
        })
    }

    /// Returns it as a change of the group.
    pub(crate) fn as_change<'e>(&'e self, entry: &'e GroupEntry, group: &GroupId) -> Change<'e> {
        let old = (0..self.row.old.len()).collect();
        Change {
            group: group.clone(),
            entry,
            of: &self.row,
            rows: match &self.row.new {
                Some(new) => Rows::Stayed(old, new),
                None => Rows::Disappeared(old),
            },
            panics: Cell::new(0),
        }
    }

    /// Returns what a subscriber is told who may have fetched in between: so that a row which came and went is gone for it,
    /// too.
    pub(crate) fn seen_by(
        &self,
        change: &Change<'_>,
        user: &Identity,
        granted: SerializerSet,
    ) -> Option<Variant> {
        let seen = || {
            if let Some(new) = &self.row.new
                && let Some(serializer) = change.visible(new, user, granted)?
            {
                let before: Vec<_> = (0..self.before).collect();
                let was_seen =
                    self.was_there || change.last_visible(&before, user, granted)?.is_some();
                let action = match was_seen {
                    true => Action::Updated,
                    false => Action::Created,
                };
                return Ok(Some(variant(serializer, action, Side::New)));
            }
            let old: Vec<_> = (0..self.row.old.len()).collect();
            let last = change.last_visible(&old, user, granted)?;
            let deleted =
                |(place, serializer)| variant(serializer, Action::Deleted, Side::Old(place));
            Ok(last.map(deleted))
        };
        seen().unwrap_or_else(|_: UserPanic| {
            change.panics.set(change.panics.get() + 1);
            None
        })
    }
}

fn in_groups_of<'e>(entry: &'e GroupEntry, row: &'e RowChange) -> Vec<Change<'e>> {
    let change = |group, rows| Change {
        group,
        entry,
        of: row,
        rows,
        panics: Cell::new(0),
    };
    let new = row
        .new
        .as_ref()
        .and_then(|new| Some((entry.group_of(new)?, new)));
    // The row stayed where it is: that is why nobody read the old one.
    if row.old.is_empty() && row.action == Action::Updated {
        let stayed = new.map(|(group, new)| change(group, Rows::Stayed(Vec::new(), new)));
        return stayed.into_iter().collect();
    }
    let mut before: Vec<(GroupId, Vec<usize>)> = Vec::new();
    for (place, old) in row.old.iter().enumerate() {
        let Some(group) = entry.group_of(old) else {
            continue;
        };
        match before.iter_mut().find(|(known, _)| *known == group) {
            Some((_, places)) => places.push(place),
            None => before.push((group, vec![place])),
        }
    }
    let stayed = new.as_ref().and_then(|(after, _)| {
        let place = before.iter().position(|(group, _)| group == after)?;
        Some(before.swap_remove(place).1)
    });
    let left = before
        .into_iter()
        .map(|(group, old)| change(group, Rows::Disappeared(old)));
    let now = new.map(|(group, new)| {
        let rows = match stayed {
            Some(old) => Rows::Stayed(old, new),
            None => Rows::Appeared(new),
        };
        change(group, rows)
    });
    left.chain(now).collect()
}

impl<'e> Change<'e> {
    /// Returns the row that a variant shows.
    pub(crate) fn row(&self, side: Side) -> Option<&'e Row> {
        match side {
            Side::Old(place) => self.of.old.get(place),
            Side::New => self.of.new.as_ref(),
        }
    }

    /// Returns what a subscriber sees: nothing where it may see no row of the change. A permission that
    /// panics hides the change from who it was asked about, and from nobody else.
    pub(crate) fn seen_by(&self, user: &Identity, granted: SerializerSet) -> Option<Variant> {
        let seen = match &self.rows {
            Rows::Stayed(old, new) if old.is_empty() => self
                .visible(new, user, granted)
                .map(|s| s.map(|s| variant(s, Action::Updated, Side::New))),
            Rows::Stayed(old, new) => self.last_visible(old, user, granted).and_then(|before| {
                Ok(match (before, self.visible(new, user, granted)?) {
                    (None, None) => None,
                    (None, Some(s)) => Some(variant(s, Action::Created, Side::New)),
                    (Some((place, s)), None) => Some(variant(s, Action::Deleted, Side::Old(place))),
                    (Some(_), Some(s)) => Some(variant(s, Action::Updated, Side::New)),
                })
            }),
            Rows::Appeared(new) => self
                .visible(new, user, granted)
                .map(|s| s.map(|s| variant(s, Action::Created, Side::New))),
            Rows::Disappeared(old) => self.last_visible(old, user, granted).map(|before| {
                before.map(|(place, s)| variant(s, Action::Deleted, Side::Old(place)))
            }),
        };
        seen.unwrap_or_else(|_: UserPanic| {
            self.panics.set(self.panics.get() + 1);
            None
        })
    }

    fn visible(
        &self,
        row: &Row,
        user: &Identity,
        granted: SerializerSet,
    ) -> Result<Option<usize>, UserPanic> {
        self.entry.serializer_for(user, granted, row)
    }

    /// Returns the last of these old rows that a user may see: its place, and the serializer's.
    fn last_visible(
        &self,
        places: &[usize],
        user: &Identity,
        granted: SerializerSet,
    ) -> Result<Option<(usize, usize)>, UserPanic> {
        for place in places.iter().rev() {
            let visible = self.visible(&self.of.old[*place], user, granted)?;
            if let Some(serializer) = visible {
                return Ok(Some((*place, serializer)));
            }
        }
        Ok(None)
    }

    /// Returns what happened, and the row that shows it, to who may see both rows.
    fn as_it_is(&self) -> (Action, Side) {
        match &self.rows {
            Rows::Appeared(_) => (Action::Created, Side::New),
            Rows::Disappeared(old) => (Action::Deleted, Side::Old(old[old.len() - 1])),
            Rows::Stayed(..) => (Action::Updated, Side::New),
        }
    }

    /// Says in the application's log that permissions panicked, if any did, and counts them.
    pub(crate) fn report_panics(&self, model: &ModelEntry, metrics: &Metrics) {
        let panics = self.panics.get();
        if panics > 0 {
            let (model, group_key) = (&*model.label, self.entry.key);
            tracing::error!(
                model,
                group_key,
                panics,
                "check_permission panicked: who it was asked about is not told of a change"
            );
            metrics.panics.increment(panics.into());
        }
    }

    /// Returns what every subscriber sees, where it is the same for all.
    pub(crate) fn seen_by_all(&self) -> Option<Variant> {
        let [shown] = &self.entry.serializers[..] else {
            return None;
        };
        if shown.serializer.permission.is_some() {
            return None;
        }
        let (action, side) = self.as_it_is();
        Some(variant(0, action, side))
    }
}

fn variant(serializer: usize, action: Action, side: Side) -> Variant {
    Variant {
        serializer,
        action,
        side,
    }
}

impl GroupEntry {
    /// Returns the place of the serializer by which a user sees a row: the highest rank that was
    /// granted and whose permission passes.
    pub(crate) fn serializer_for(
        &self,
        user: &Identity,
        granted: SerializerSet,
        row: &Row,
    ) -> Result<Option<usize>, UserPanic> {
        for (place, shown) in self.serializers.iter().enumerate() {
            let passes = granted.has(place)
                && match &shown.serializer.permission {
                    None => true,
                    Some(permission) => permission.check(user, row)?,
                };
            if passes {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}
