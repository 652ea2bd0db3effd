//! Events on their way into `live_event`: the parameters of the statements that append them.

use rest_live_runtime::{Record, StoredEvent};
use serde_json::value::RawValue;

/// What one statement appends: [`Statements::append`](crate::statements::Statements::append) says which.
pub(crate) struct Insert {
    pub(crate) is_single: bool,
    /// Its parameters, all of them texts: of the event's columns, or of arrays of them.
    pub(crate) parameters: [Option<String>; 8],
}

/// So many events are appended by one statement.
const MAX_EVENTS_PER_INSERT: usize = 5_000;

/// Returns events as they are stored.
pub(crate) fn stored(records: &[Record]) -> Vec<StoredEvent> {
    records.iter().map(Record::store).collect()
}

/// Returns what the statements are that append these events: one, but for very many.
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

fn columns(event: &StoredEvent) -> [Option<String>; 8] {
    let json_text =
        |value: &Option<Box<RawValue>>| value.as_deref().map(|json| json.get().to_owned());
    let old_rows = || {
        let rows: Vec<&str> = event.old.iter().map(|row| row.get()).collect();
        format!("[{}]", rows.join(","))
    };
    [
        // The last moment that PostgreSQL knows is a little later.
        Some(event.captured.min(i64::MAX as u64).to_string()),
        Some(event.model.clone()),
        Some(event.operation.as_str().to_owned()),
        json_text(&event.key),
        (!event.old.is_empty()).then(old_rows),
        json_text(&event.new),
        event.node.clone(),
        event.began.clone(),
    ]
}

/// Writes PostgreSQL's text of an array for each column. SeaORM has arrays as a feature, which changes its types; and as one
/// text is one parameter, any number of events is one prepared statement.
fn arrays(events: &[StoredEvent]) -> [Option<String>; 8] {
    let mut arrays = [const { String::new() }; 8];
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
