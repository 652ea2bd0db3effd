//! The order in which events are published: those of one unit together.
//!
//! In most logs, the events of a unit are next to each other. In a log in the database, the events
//! of two transactions may alternate, because each is numbered when its row is written. Then units
//! follow each other in the order of their last events. This keeps the order of each row: if two
//! transactions wrote the same row, the second waited for the first, so its last event came later.

use std::{collections::HashMap, sync::Arc};

use crate::data::{
    cursor::{Cursor, EventPosition},
    event::Event,
};

/// An event, its position in the log, and its unit.
#[derive(Debug)]
pub(super) struct PositionedEvent {
    pub(super) at: EventPosition,
    pub(super) event: Arc<Event>,
    pub(super) unit: u64,
}

/// Sorts the events of an item of the tail by unit, and sets the cursor of each: all events up to
/// the cursor come before it or are itself.
pub(super) fn sort_by_unit(events: &mut [PositionedEvent], watermark: &Cursor) {
    // The usual case: the numbers of the units ascend with the positions.
    if !events.is_sorted_by_key(|event| event.unit) {
        let mut last: HashMap<u64, u64> = HashMap::new();
        for event in &*events {
            // Positions ascend.
            last.insert(event.unit, event.at.position);
        }
        events.sort_by_key(|event| (last[&event.unit], event.at.position));
    }
    let mut next = u64::MAX;
    for event in events.iter_mut().rev() {
        let position = event.at.position.min(watermark.position).min(next - 1);
        event.at.cursor = Cursor {
            epoch: watermark.epoch.clone(),
            position,
        };
        next = next.min(event.at.position);
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

    /// Sorts events, given by positions and units. Returns the positions, the units and the cursors.
    fn sorted(events: &[(u64, u64)], watermark: u64) -> Vec<(u64, u64, u64)> {
        let watermark = Cursor {
            epoch: Epoch::named("now"),
            position: watermark,
        };
        let positioned = events.iter().map(|(position, unit)| PositionedEvent {
            at: EventPosition::new(*position, &watermark),
            event: Arc::new(Event::reset("a.B".into())),
            unit: *unit,
        });
        let mut positioned: Vec<_> = positioned.collect();
        sort_by_unit(&mut positioned, &watermark);
        let sorted = positioned.iter();
        sorted
            .map(|event| (event.at.position, event.unit, event.at.cursor.position))
            .collect()
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
        let events: Vec<_> = [(1, 4), (2, 4), (3, 9)]
            .into_iter()
            .map(|(position, unit)| PositionedEvent {
                at: EventPosition::new(
                    position,
                    &Cursor {
                        epoch: Epoch::named("now"),
                        position,
                    },
                ),
                event: Arc::new(Event::reset("a.B".into())),
                unit,
            })
            .collect();
        assert!(units(&events).map(<[_]>::len).eq([2, 1]));
    }
}
