//! What a transaction did to a row, without what it looked like in between.
//!
//! Where a permission decides who sees a row, a state that was never committed must not be asked
//! about: it would be shown to who may see neither the row before the transaction nor the row after.

use std::{collections::HashMap, sync::Arc};

use crate::{
    data::{
        event::{Action, Event, EventKind, RowChange},
        key::KeyValue,
    },
    model::registry::Registry,
    publish::publisher::Committed,
};

/// Makes one event of all that a committed unit did to a row of a model with a permission, in the
/// place of the last. Other models' events are left as they are, and one reset of a model is enough.
pub(crate) fn fold(events: Vec<Committed>, registry: &Registry) -> Vec<Committed> {
    if events.len() < 2 {
        return events;
    }
    let mut folded: Vec<Option<Committed>> = Vec::with_capacity(events.len());
    let mut places: HashMap<(Arc<str>, Option<KeyValue>), usize> = HashMap::new();
    for (event, interval) in events {
        let model = registry.model_by_label(&event.model);
        let is_decided = model.is_some_and(|model| model.has_permission());
        let key = event.as_row().map(|row| row.key.clone());
        if key.is_some() && !is_decided {
            folded.push(Some((event, interval)));
            continue;
        }
        let row = (Arc::clone(&event.model), key);
        let before = places.get(&row).and_then(|place| folded[*place].take());
        let come_to = match before {
            Some((before, first)) => both(before, event).map(|event| (event, first)),
            None => Some((event, interval)),
        };
        if let Some(event) = come_to {
            places.insert(row, folded.len());
            folded.push(Some(event));
        }
    }
    folded.into_iter().flatten().collect()
}

/// Returns what two events of one row come to; nothing where it appeared and disappeared again.
fn both(first: Event, second: Event) -> Option<Event> {
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
    fn two_events_of_a_row_come_to_one_or_none() {
        use Action::{Created, Deleted, Updated};
        let event = |action| {
            let (label, key) = ("a.B".into(), KeyValue::Integer(1));
            let mut event = Event::reread(label, key, Vec::<Row>::new(), None);
            if let EventKind::Row(row) = &mut event.kind {
                row.action = action;
            }
            event
        };
        for (first, second, come_to) in [
            (Created, Updated, Some(Created)),
            (Created, Deleted, None),
            (Updated, Updated, Some(Updated)),
            (Updated, Deleted, Some(Deleted)),
            (Deleted, Created, Some(Updated)),
        ] {
            let both = both(event(first), event(second));
            let action = both.and_then(|event| event.as_row().map(|row| row.action));
            assert_eq!(action, come_to);
        }
    }
}
