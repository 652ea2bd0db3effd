//! What a transaction did to a row, without what it looked like in between.
//!
//! Where a permission decides who sees a row, a state that was never committed must not be asked
//! about: it would be shown to who may see neither the row before the transaction nor the row after.

use std::collections::HashMap;

use crate::{
    event::{Action, Event},
    registry::Registry,
};

/// Makes one event of all that a committed unit did to a row of a model with a permission, in the
/// place of the last. Other models' events are left as they are.
pub(super) fn fold(events: Vec<Event>, registry: &Registry) -> Vec<Event> {
    if events.len() < 2 {
        return events;
    }
    let is_decided = |event: &Event| {
        let model = registry.labelled(&event.model);
        model.is_some_and(|model| model.has_permission())
    };
    let mut folded: Vec<Option<Event>> = Vec::with_capacity(events.len());
    let mut places = HashMap::new();
    for event in events {
        if !is_decided(&event) {
            folded.push(Some(event));
            continue;
        }
        let row = (event.model.clone(), event.key.clone());
        let before: Option<Event> = places
            .get(&row)
            .and_then(|place: &usize| folded[*place].take());
        if let Some(event) = match before {
            Some(before) => both(before, event),
            None => Some(event),
        } {
            places.insert(row, folded.len());
            folded.push(Some(event));
        }
    }
    folded.into_iter().flatten().collect()
}

/// Returns what two events of one row come to; nothing where it appeared and disappeared again.
fn both(first: Event, second: Event) -> Option<Event> {
    let action = match (first.action, second.action) {
        (Action::Created, Action::Deleted) => return None,
        (Action::Created, _) => Action::Created,
        (_, Action::Deleted) => Action::Deleted,
        (_, Action::Created | Action::Updated) => Action::Updated,
    };
    Some(Event {
        action,
        old: first.old,
        new: second.new,
        ..second
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_events_of_a_row_come_to_one_or_none() {
        use Action::{Created, Deleted, Updated};
        let event = |action| Event {
            model: "a.B".into(),
            action,
            key: crate::key::KeyValue::Integer(1),
            old: None,
            new: None,
            captured: std::time::SystemTime::UNIX_EPOCH,
        };
        for (first, second, come_to) in [
            (Created, Updated, Some(Created)),
            (Created, Deleted, None),
            (Updated, Updated, Some(Updated)),
            (Updated, Deleted, Some(Deleted)),
            (Deleted, Created, Some(Updated)),
        ] {
            let both = both(event(first), event(second));
            assert_eq!(both.map(|event| event.action), come_to);
        }
    }
}
