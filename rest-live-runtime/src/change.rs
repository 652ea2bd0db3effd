//! What one event means to each group and to each user: who sees the row appear, change or
//! disappear, and by which serializer.

use std::cell::Cell;

use crate::{
    event::{Action, Event, Row},
    group::GroupKey,
    permission::{Identity, Panicked},
    registry::{GroupEntry, ModelEntry},
};

/// What happened to the rows of one group.
pub(crate) struct Change<'e> {
    pub(crate) group: GroupKey,
    pub(crate) entry: &'e GroupEntry,
    rows: Rows<'e>,
    /// Permissions that panicked. The first of a change is logged, all are counted.
    pub(crate) panics: Cell<u32>,
}

/// The row, as it was in the group and as it is.
#[derive(Clone, Copy)]
enum Rows<'e> {
    Appeared(&'e Row),
    Disappeared(&'e Row),
    /// The old row is there if something depends on it.
    Stayed(Option<&'e Row>, &'e Row),
}

/// Which row of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

/// What one subscriber sees of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The serializer's place in its group.
    pub(crate) serializer: usize,
    pub(crate) action: Action,
    /// The row to show: the old one where it disappears.
    pub(crate) side: Side,
}

/// The serializers of a group that a subscription was granted, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted(u64);

impl Granted {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, serializer: usize) -> Self {
        Self(self.0 | 1 << serializer)
    }

    pub(crate) fn has(self, serializer: usize) -> bool {
        self.0 & 1 << serializer != 0
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// Returns what the groups of a model see of an event.
pub(crate) fn changes<'e>(
    model: &'e ModelEntry,
    event: &'e Event,
) -> impl Iterator<Item = Change<'e>> {
    model
        .groups
        .iter()
        .flat_map(|entry| in_groups_of(entry, event))
}

fn in_groups_of<'e>(entry: &'e GroupEntry, event: &'e Event) -> impl Iterator<Item = Change<'e>> {
    let at = |row: Option<&'e Row>| row.and_then(|row| Some((entry.of_row(row)?, row)));
    let (old, new) = (at(event.old.as_ref()), at(event.new.as_ref()));
    let change = move |group, rows| {
        Some(Change {
            group,
            entry,
            rows,
            panics: Cell::new(0),
        })
    };
    let seen = match (old, new) {
        // The row stayed where it is: that is why nobody read the old one.
        (None, Some((group, new))) if event.old.is_none() && event.action == Action::Updated => {
            [change(group, Rows::Stayed(None, new)), None]
        }
        (Some((before, old)), Some((after, new))) if before == after => {
            [change(after, Rows::Stayed(Some(old), new)), None]
        }
        (old, new) => [
            old.and_then(|(group, row)| change(group, Rows::Disappeared(row))),
            new.and_then(|(group, row)| change(group, Rows::Appeared(row))),
        ],
    };
    seen.into_iter().flatten()
}

impl<'e> Change<'e> {
    /// Returns the row that a variant shows.
    pub(crate) fn row(&self, side: Side) -> &'e Row {
        match (self.rows, side) {
            (Rows::Stayed(Some(old), _), Side::Old) => old,
            (Rows::Appeared(row) | Rows::Disappeared(row) | Rows::Stayed(_, row), _) => row,
        }
    }

    /// Returns what a subscriber sees: nothing where it may see neither row. A permission that
    /// panics hides the change from who it was asked about, and from nobody else.
    pub(crate) fn seen_by(&self, user: &Identity, granted: Granted) -> Option<Variant> {
        let variant = |serializer, action, side| Variant {
            serializer,
            action,
            side,
        };
        let visible = |row| self.entry.serializer_for(user, granted, row);
        let seen = match self.rows {
            Rows::Stayed(Some(old), new) => visible(old).and_then(|before| {
                Ok(match (before, visible(new)?) {
                    (None, None) => None,
                    (None, Some(s)) => Some(variant(s, Action::Created, Side::New)),
                    (Some(s), None) => Some(variant(s, Action::Deleted, Side::Old)),
                    (Some(_), Some(s)) => Some(variant(s, Action::Updated, Side::New)),
                })
            }),
            Rows::Appeared(_) | Rows::Disappeared(_) | Rows::Stayed(None, _) => {
                let (action, side) = self.as_it_is();
                visible(self.row(side)).map(|s| s.map(|s| variant(s, action, side)))
            }
        };
        seen.unwrap_or_else(|Panicked| {
            self.panics.set(self.panics.get() + 1);
            None
        })
    }

    /// Returns what happened, and the row that shows it, to who may see both rows.
    fn as_it_is(&self) -> (Action, Side) {
        match self.rows {
            Rows::Appeared(_) => (Action::Created, Side::New),
            Rows::Disappeared(_) => (Action::Deleted, Side::Old),
            Rows::Stayed(..) => (Action::Updated, Side::New),
        }
    }

    /// Returns what every subscriber sees, where it is the same for all.
    pub(crate) fn seen_by_all(&self) -> Option<Variant> {
        let [shown] = &self.entry.shown[..] else {
            return None;
        };
        if shown.serializer.permission.is_some() {
            return None;
        }
        let (action, side) = self.as_it_is();
        Some(Variant {
            serializer: 0,
            action,
            side,
        })
    }
}

impl GroupEntry {
    /// Returns the place of the serializer by which a user sees a row: the highest rank that was
    /// granted and whose permission passes.
    pub(crate) fn serializer_for(
        &self,
        user: &Identity,
        granted: Granted,
        row: &Row,
    ) -> Result<Option<usize>, Panicked> {
        for (place, shown) in self.shown.iter().enumerate() {
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
