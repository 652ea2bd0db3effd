//! What one event means to each group: who sees the row appear, change or disappear.

use crate::{
    event::{Action, Event, Row},
    group::GroupKey,
    registry::{GroupEntry, ModelEntry},
};

/// What the subscribers of one group see of an event.
pub(crate) struct Change<'e> {
    pub(crate) group: GroupKey,
    pub(crate) action: Action,
    /// The row to show: the old one where it disappears.
    pub(crate) row: &'e Row,
    pub(crate) side: Side,
    pub(crate) shown_by: &'e GroupEntry,
}

/// Which row of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

/// Returns what the groups of a model see of an event.
///
/// Disappearances come first: the plain dialect does not say which group a frame is about, so a
/// client in both groups of a row that moves must end with the row, not without it.
pub(crate) fn changes<'e>(model: &'e ModelEntry, event: &'e Event) -> Vec<Change<'e>> {
    let mut changes: Vec<_> = model
        .groups
        .iter()
        .flat_map(|group| in_groups_of(group, event))
        .collect();
    changes.sort_by_key(|change| change.side != Side::Old);
    changes
}

fn in_groups_of<'e>(
    shown_by: &'e GroupEntry,
    event: &'e Event,
) -> impl Iterator<Item = Change<'e>> {
    let at = |row: &Option<Row>| row.as_ref().and_then(|row| shown_by.of_row(row));
    let before = match event.action {
        // The row stayed where it is: that is why nobody read the old one.
        Action::Updated if event.old.is_none() => at(&event.new),
        _ => at(&event.old),
    };
    let after = at(&event.new);

    let change = move |group, action, side| {
        let row = match side {
            Side::Old => event.old.as_ref(),
            Side::New => event.new.as_ref(),
        };
        row.map(|row| Change {
            group,
            action,
            row,
            side,
            shown_by,
        })
    };
    let seen = match (before, after) {
        (None, None) => [None, None],
        (None, Some(group)) => [change(group, Action::Created, Side::New), None],
        (Some(group), None) => [change(group, Action::Deleted, Side::Old), None],
        (Some(old), Some(new)) if old == new => [change(new, Action::Updated, Side::New), None],
        (Some(old), Some(new)) => [
            change(old, Action::Deleted, Side::Old),
            change(new, Action::Created, Side::New),
        ],
    };
    seen.into_iter().flatten()
}
