//! Conflates the events of a transaction: one event per row, without the states between.
//!
//! If a filter or a permission decides who sees a row, it must not be asked about a state that was
//! never committed. Such a state could be shown to users who may see neither the row before the
//! transaction nor the row after it. A commit calls [`conflate`] before it publishes, and the
//! dispatcher calls it for events that triggers wrote.

use std::collections::HashMap;

use crate::{
    data::{
        event::{Action, Event, EventKind, RowChange},
        key::KeyValue,
        scoped_model::ScopedModel,
    },
    model::registry::Registry,
};

/// Merges the events of each row of a model with a filter or a permission into one, at the position
/// of the last. Also keeps only the last reset of each model. Events of other models stay as they
/// are. `join` chooses what is kept of what the two events come with.
pub(crate) fn conflate<T>(
    events: Vec<(Event, T)>,
    registry: &Registry,
    join: impl Fn(T, T) -> T,
) -> Vec<(Event, T)> {
    if events.len() < 2 {
        return events;
    }
    let mut conflated: Vec<Option<(Event, T)>> = Vec::with_capacity(events.len());
    let mut positions: HashMap<(ScopedModel, Option<KeyValue>), usize> = HashMap::new();
    for (event, with) in events {
        let model = registry.model_by_label(&event.model);
        let is_conflated = model.is_some_and(|model| model.decides_by_row());
        let key = event.as_row().map(|row| row.key.clone());
        if key.is_some() && !is_conflated {
            conflated.push(Some((event, with)));
            continue;
        }
        let row = (event.scoped_model(), key);
        let earlier = positions
            .get(&row)
            .and_then(|position| conflated[*position].take());
        let merged = match earlier {
            Some((earlier, first)) => merge(earlier, event).map(|event| (event, join(first, with))),
            None => Some((event, with)),
        };
        if let Some(event) = merged {
            positions.insert(row, conflated.len());
            conflated.push(Some(event));
        }
    }
    conflated.into_iter().flatten().collect()
}

/// Merges two events of one row. Returns `None` if the row was created and then deleted.
fn merge(first: Event, second: Event) -> Option<Event> {
    let (EventKind::Row(before), EventKind::Row(after)) = (first.kind, &second.kind) else {
        return Some(second);
    };
    let action = match (before.action, after.action) {
        (Action::Created, Action::Deleted) => return None,
        (Action::Created, _) => Action::Created,
        (_, Action::Deleted) => Action::Deleted,
        (_, Action::Created | Action::Updated) => Action::Updated,
    };
    let change = RowChange {
        action,
        key: before.key,
        old: before.old,
        new: after.new.clone(),
    };
    Some(Event {
        kind: EventKind::Row(change),
        ..second
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::event::Row;

    #[test]
    fn two_events_of_a_row_become_one_or_none() {
        use Action::{Created, Deleted, Updated};
        let event = |action| {
            let (label, key) = ("a.B".into(), KeyValue::Integer(1));
            let mut event = Event::reread(label, key, Vec::<Row>::new(), None);
            if let EventKind::Row(row) = &mut event.kind {
                row.action = action;
            }
            event
        };
        for (first, second, expected) in [
            (Created, Updated, Some(Created)),
            (Created, Deleted, None),
            (Updated, Updated, Some(Updated)),
            (Updated, Deleted, Some(Deleted)),
            (Deleted, Created, Some(Updated)),
        ] {
            let merged = merge(event(first), event(second));
            let action = merged.and_then(|event| event.as_row().map(|row| row.action));
            assert_eq!(action, expected);
        }
    }
}
