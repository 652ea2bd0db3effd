//! The order in which events are published: those of one unit together.
//!
//! In most logs, the events of a unit are next to each other. In a log in the database, the events
//! of two transactions may alternate, because each is numbered when its row is written. Then units
//! follow each other in the order of their last events. This keeps the order of each row: if two
//! transactions wrote the same row, the second waited for the first, so its last event came later.

use std::{collections::HashMap, sync::Arc};

use crate::{
    data::{
        cursor::{Cursor, EventPosition},
        event::Event,
    },
    log::Entry,
    model::{conflate::conflate, registry::Registry},
};

/// An event, its position in the log, and its unit.
#[derive(Debug)]
pub(super) struct PositionedEvent {
    pub(super) at: EventPosition,
    pub(super) event: Arc<Event>,
    pub(super) unit: u64,
    is_from_trigger: bool,
}

impl PositionedEvent {
    /// Creates the event of an entry, as it was decoded.
    ///
    /// If a trigger wrote it, and its unit may be in parts, the row may have a state that was never
    /// committed. If rows of the model are decided about, the event becomes a reset.
    pub(super) fn new(
        entry: &Entry,
        event: Arc<Event>,
        watermark: &Cursor,
        registry: &Registry,
    ) -> Self {
        let is_from_trigger = entry.event.is_from_trigger();
        let is_decided_about = || {
            let model = registry.model_by_label(&event.model);
            model.is_some_and(|model| model.decides_by_row())
        };
        let event = if entry.is_cut && is_from_trigger && is_decided_about() {
            let reset = Event::reset(Arc::clone(&event.model));
            Arc::new(reset.in_scope(event.scope.clone()))
        } else {
            event
        };
        Self {
            at: EventPosition::new(entry.position, watermark),
            event,
            unit: entry.unit,
            is_from_trigger,
        }
    }
}

/// Sorts the events of an item of the tail by unit, conflates those that triggers wrote, and sets
/// the cursor of each: all events up to the cursor come before it or are itself.
pub(super) fn arrange(
    mut events: Vec<PositionedEvent>,
    watermark: &Cursor,
    registry: &Registry,
) -> Vec<PositionedEvent> {
    sort_by_unit(&mut events);
    let mut uncut = Vec::new();
    if has_trigger_units(&events) {
        uncut = spans_of_trigger_units(&events);
        events = conflate_triggers(events, registry);
    }
    set_cursors(&mut events, watermark, &uncut);
    events
}

fn set_cursors(events: &mut [PositionedEvent], watermark: &Cursor, uncut: &[(u64, u64)]) {
    let mut next = u64::MAX;
    for event in events.iter_mut().rev() {
        let position = event.at.position.min(watermark.position).min(next - 1);
        event.at.cursor = Cursor {
            epoch: watermark.epoch.clone(),
            position: before_spans(position, uncut),
        };
        next = next.min(event.at.position);
    }
}

fn sort_by_unit(events: &mut [PositionedEvent]) {
    // The usual case: the numbers of the units ascend with the positions.
    if !events.is_sorted_by_key(|event| event.unit) {
        let mut last: HashMap<u64, u64> = HashMap::new();
        for event in &*events {
            // Positions ascend.
            last.insert(event.unit, event.at.position);
        }
        events.sort_by_key(|event| (last[&event.unit], event.at.position));
    }
}

/// Conflates the events of each unit in which triggers wrote some. If a filter or a permission
/// decides about the rows of a model, one event for each row is left. Units must be next to each
/// other.
pub(super) fn conflate_triggers(
    events: Vec<PositionedEvent>,
    registry: &Registry,
) -> Vec<PositionedEvent> {
    let mut conflated = Vec::with_capacity(events.len());
    let mut events = events.into_iter().peekable();
    while let Some(first) = events.next() {
        let number = first.unit;
        let mut unit = vec![first];
        unit.extend(std::iter::from_fn(|| {
            events.next_if(|event| event.unit == number)
        }));
        if is_trigger_unit(&unit) {
            let split = |e: PositionedEvent| {
                let event = Arc::unwrap_or_clone(e.event);
                (event, (e.at, e.is_from_trigger))
            };
            // At the position of the last.
            let merged = conflate(
                unit.into_iter().map(split).collect(),
                registry,
                |_, last| last,
            );
            conflated.extend(merged.into_iter().map(|(event, (at, is_from_trigger))| {
                PositionedEvent {
                    at,
                    event: Arc::new(event),
                    unit: number,
                    is_from_trigger,
                }
            }));
        } else {
            conflated.append(&mut unit);
        }
    }
    conflated
}

fn is_trigger_unit(unit: &[PositionedEvent]) -> bool {
    unit.len() > 1 && unit.iter().any(|event| event.is_from_trigger)
}

fn has_trigger_units(events: &[PositionedEvent]) -> bool {
    units(events).any(is_trigger_unit)
}

/// Returns the first and the last positions of the units that are conflated. No cursor may be
/// between them: a replay from there would contain a part of the unit, and so a state that was
/// never committed. Spans that overlap are one.
fn spans_of_trigger_units(events: &[PositionedEvent]) -> Vec<(u64, u64)> {
    let span =
        |unit: &[PositionedEvent]| Some((unit.first()?.at.position, unit.last()?.at.position));
    let mut spans: Vec<_> = units(events)
        .filter(|unit| is_trigger_unit(unit))
        .filter_map(span)
        .collect();
    spans.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match joined.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Returns the last position up to this one that is in no span, or is the last of its span.
fn before_spans(position: u64, spans: &[(u64, u64)]) -> u64 {
    let after = spans.partition_point(|(first, _)| *first <= position);
    match after.checked_sub(1).map(|index| spans[index]) {
        Some((first, last)) if position < last => first - 1,
        _ => position,
    }
}

/// Returns the events of each unit.
pub(super) fn units(events: &[PositionedEvent]) -> impl Iterator<Item = &[PositionedEvent]> {
    events.chunk_by(|one, next| one.unit == next.unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cursor::Epoch;

    fn positioned(
        events: &[(u64, u64)],
        watermark: &Cursor,
        is_from_trigger: bool,
    ) -> Vec<PositionedEvent> {
        let events = events.iter().map(|(position, unit)| PositionedEvent {
            at: EventPosition::new(*position, watermark),
            event: Arc::new(Event::reset(format!("a.B{position}").into())),
            unit: *unit,
            is_from_trigger,
        });
        events.collect()
    }

    fn at(position: u64) -> Cursor {
        Cursor {
            epoch: Epoch::named("now"),
            position,
        }
    }

    fn arranged(
        events: &[(u64, u64)],
        watermark: u64,
        is_from_trigger: bool,
    ) -> Vec<(u64, u64, u64)> {
        let watermark = at(watermark);
        let mut sorted = positioned(events, &watermark, is_from_trigger);
        sort_by_unit(&mut sorted);
        let uncut = spans_of_trigger_units(&sorted);
        set_cursors(&mut sorted, &watermark, &uncut);
        let sorted = sorted.iter();
        sorted
            .map(|event| (event.at.position, event.unit, event.at.cursor.position))
            .collect()
    }

    /// Arranges events, given by positions and units. Returns the positions, the units and the
    /// cursors.
    fn sorted(events: &[(u64, u64)], watermark: u64) -> Vec<(u64, u64, u64)> {
        arranged(events, watermark, false)
    }

    #[test]
    fn cursor_is_not_inside_a_unit_of_triggers() {
        let events = [(2, 7), (3, 5), (4, 7), (5, 6), (6, 5), (8, 9), (9, 9)];
        let positions = |cursors: Vec<(u64, u64, u64)>| cursors.into_iter().map(|(.., c)| c);
        let cursors = positions(arranged(&events, 9, true));
        assert!(cursors.eq([1, 1, 1, 1, 6, 7, 9]));
        let cursors = positions(arranged(&events, 9, false));
        assert!(cursors.eq([2, 2, 2, 3, 6, 8, 9]));
        assert_eq!(before_spans(3, &[]), 3);
    }

    #[test]
    fn adjacent_units_stay_as_they_are() {
        let events = [(1, 1), (2, 2), (3, 2), (4, 4)];
        assert_eq!(
            sorted(&events, 4),
            [(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 4, 4)]
        );
        // The numbers of units need not ascend.
        assert_eq!(
            sorted(&[(1, 9), (2, 9), (3, 7)], 3),
            [(1, 9, 1), (2, 9, 2), (3, 7, 3)]
        );
    }

    #[test]
    fn cursor_is_before_every_event_that_follows() {
        // Unit 7 ends at 4, unit 5 at 6: the events at 1 and 5 follow that at 4.
        let events = [(1, 5), (2, 7), (3, 8), (4, 7), (5, 6), (6, 5)];
        assert_eq!(
            sorted(&events, 9),
            [
                (3, 8, 0),
                (2, 7, 0),
                (4, 7, 0),
                (5, 6, 0),
                (1, 5, 1),
                (6, 5, 6)
            ]
        );
        let cursors = sorted(&events, 4).into_iter().map(|(.., cursor)| cursor);
        assert!(cursors.eq([0, 0, 0, 0, 1, 4]), "not past the watermark");
    }

    #[test]
    fn units_are_split_where_the_number_changes() {
        let events = positioned(&[(1, 4), (2, 4), (3, 9)], &at(3), false);
        assert!(units(&events).map(<[_]>::len).eq([2, 1]));
    }
}
