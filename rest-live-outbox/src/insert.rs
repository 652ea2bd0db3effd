//! The parameters of the statements that append events to `live_event`.

use rest_live_runtime::{Record, StoredEvent};
use serde_json::value::RawValue;

/// One statement that appends events. [`Statements::append`](crate::statements::Statements::append)
/// returns its SQL.
pub(crate) struct Insert {
    pub(crate) is_single: bool,
    /// One text parameter for each column of the event, or for the array of each column.
    pub(crate) parameters: [Option<String>; 9],
}

/// Maximum number of events that one statement appends.
const MAX_EVENTS_PER_INSERT: usize = 5_000;

/// Converts records to stored events.
pub(crate) fn stored(records: &[Record]) -> Vec<StoredEvent> {
    records.iter().map(Record::store).collect()
}

/// Returns the statements that append these events: usually one, several for a large batch.
pub(crate) fn inserts(events: &[StoredEvent]) -> impl Iterator<Item = Insert> {
    events
        .chunks(MAX_EVENTS_PER_INSERT)
        .map(|events| match events {
            [event] => Insert {
                is_single: true,
                parameters: columns(event),
            },
            events => Insert {
                is_single: false,
                parameters: arrays(events),
            },
        })
}

fn columns(event: &StoredEvent) -> [Option<String>; 9] {
    let json_text =
        |value: &Option<Box<RawValue>>| value.as_deref().map(|json| json.get().to_owned());
    let old_rows = || {
        let rows: Vec<&str> = event.old.iter().map(|row| row.get()).collect();
        format!("[{}]", rows.join(","))
    };
    [
        // Larger than any timestamp that PostgreSQL can represent.
        Some(event.captured.min(i64::MAX as u64).to_string()),
        Some(event.model.clone()),
        Some(event.operation.as_str().to_owned()),
        json_text(&event.key),
        (!event.old.is_empty()).then(old_rows),
        json_text(&event.new),
        event.node.clone(),
        event.began.clone(),
        event.scope.clone(),
    ]
}

/// Returns the text of a PostgreSQL array for each column. SeaORM supports arrays only with a
/// feature that changes its types. One text parameter per column also keeps one prepared statement
/// for any number of events.
fn arrays(events: &[StoredEvent]) -> [Option<String>; 9] {
    let mut arrays = [const { String::new() }; 9];
    for event in events {
        for (array, item) in arrays.iter_mut().zip(columns(event)) {
            array.push(if array.is_empty() { '{' } else { ',' });
            match item {
                Some(item) => push_quoted(array, &item),
                None => array.push_str("NULL"),
            }
        }
    }
    arrays.map(|array| Some(array + "}"))
}

fn push_quoted(array: &mut String, item: &str) {
    array.push('"');
    for c in item.chars() {
        if matches!(c, '"' | '\\') {
            array.push('\\');
        }
        array.push(c);
    }
    array.push('"');
}
