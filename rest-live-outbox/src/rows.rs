//! Events as rows of `live_event`: how they are written, and read.

use rest_live_runtime::{Entry, Epoch, Operation, Record, StoredEvent};
use sea_orm::sqlx::{self, Row, postgres::PgRow};
use serde_json::value::RawValue;

/// What one statement appends: [`Statements::append`](crate::statements::Statements::append) says which.
pub(crate) struct Piece {
    pub(crate) is_one: bool,
    /// Its parameters, all of them texts: of the event's columns, or of arrays of them.
    pub(crate) columns: [Option<String>; 8],
}

/// So many events are appended by one statement.
const MOST: usize = 5_000;

/// Returns events as they are stored.
pub(crate) fn stored(records: &[Record]) -> Vec<StoredEvent> {
    records.iter().map(Record::store).collect()
}

/// Returns what the statements are that append these events: one, but for very many.
pub(crate) fn pieces(events: &[StoredEvent]) -> impl Iterator<Item = Piece> {
    events.chunks(MOST).map(|events| match events {
        [event] => Piece {
            is_one: true,
            columns: columns(event),
        },
        events => Piece {
            is_one: false,
            columns: arrays(events),
        },
    })
}

fn columns(event: &StoredEvent) -> [Option<String>; 8] {
    let raw = |value: &Option<Box<RawValue>>| value.as_deref().map(|json| json.get().to_owned());
    let old = || {
        let rows: Vec<&str> = event.old.iter().map(|row| row.get()).collect();
        format!("[{}]", rows.join(","))
    };
    [
        // The last moment that PostgreSQL knows is a little later.
        Some(event.captured.min(i64::MAX as u64).to_string()),
        Some(event.model.clone()),
        Some(event.operation.as_str().to_owned()),
        raw(&event.key),
        (!event.old.is_empty()).then(old),
        raw(&event.new),
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
                Some(item) => quote(array, &item),
                None => array.push_str("NULL"),
            }
        }
    }
    arrays.map(|array| Some(array + "}"))
}

fn quote(array: &mut String, item: &str) {
    array.push('"');
    for c in item.chars() {
        if matches!(c, '"' | '\\') {
            array.push('\\');
        }
        array.push(c);
    }
    array.push('"');
}

/// Which life of the log it is, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) epoch: Epoch,
    /// All before this number is not kept any more.
    pub(crate) first_retained: u64,
    /// What a node has found settled some time ago.
    pub(crate) settled: u64,
    /// The last number that was drawn: for an event, or for one that was rolled back.
    pub(crate) drawn: u64,
}

impl Life {
    pub(crate) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let epoch: &str = row.try_get("epoch")?;
        Ok(Self {
            epoch: Epoch::named(epoch),
            first_retained: number(row, "first_retained")?.unwrap_or_default(),
            settled: number(row, "settled")?.unwrap_or_default(),
            drawn: number(row, "drawn")?.unwrap_or_default(),
        })
    }
}

/// Reads the event of a row, if it has one.
pub(crate) fn entry(row: &PgRow) -> Result<Option<Entry>, sqlx::Error> {
    let Some(position) = number(row, "seq")? else {
        return Ok(None);
    };
    let operation: &str = row.try_get("op")?;
    let old: Option<&str> = row.try_get("old")?;
    let event = StoredEvent {
        model: row.try_get("model")?,
        operation: Operation::from_letter(operation).unwrap_or(Operation::Reset),
        key: json(row, "key")?,
        old: old.map(rows).transpose()?.unwrap_or_default(),
        new: json(row, "new")?,
        captured: number(row, "at")?.unwrap_or_default(),
        node: row.try_get("node")?,
        began: row.try_get("began")?,
    };
    Ok(Some(Entry::stored(position, event)))
}

fn number(row: &PgRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    let number: Option<i64> = row.try_get(column)?;
    Ok(number.map(|number| number.try_into().unwrap_or_default()))
}

fn json(row: &PgRow, column: &str) -> Result<Option<Box<RawValue>>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    let json = text.map(RawValue::from_string).transpose();
    json.map_err(|error| sqlx::Error::Decode(error.into()))
}

fn rows(text: &str) -> Result<Vec<Box<RawValue>>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}
