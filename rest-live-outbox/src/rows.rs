//! Log entries, decoded from rows of `live_event`.

use rest_live_runtime::{Entry, Operation, StoredEvent};
use sea_orm::sqlx::{self, Row, postgres::PgRow};
use serde_json::value::RawValue;

/// Decodes the event of a row. Returns `None` for a row that carries only the state of the log.
pub(crate) fn read_entry(row: &PgRow) -> Result<Option<Entry>, sqlx::Error> {
    let Some(position) = read_number(row, "seq")? else {
        return Ok(None);
    };
    let operation: &str = row.try_get("op")?;
    let old: Option<&str> = row.try_get("old")?;
    let event = StoredEvent {
        model: row.try_get("model")?,
        operation: Operation::from_letter(operation).unwrap_or(Operation::Reset),
        key: read_json(row, "key")?,
        old: old.map(parse_rows).transpose()?.unwrap_or_default(),
        new: read_json(row, "new")?,
        scope: row.try_get("scope")?,
        captured: read_number(row, "at")?.unwrap_or_default(),
        node: row.try_get("node")?,
        began: row.try_get("began")?,
        following: 0,
    };
    // Rows that an earlier version wrote have no transaction: each is a unit.
    let unit = read_number(row, "unit")?.unwrap_or(u64::MAX - position);
    Ok(Some(Entry::stored(position, event).in_unit(unit)))
}

pub(crate) fn read_number(row: &PgRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    let number: Option<i64> = row.try_get(column)?;
    Ok(number.map(|number| number.try_into().unwrap_or_default()))
}

fn read_json(row: &PgRow, column: &str) -> Result<Option<Box<RawValue>>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    let json = text.map(RawValue::from_string).transpose();
    json.map_err(|error| sqlx::Error::Decode(error.into()))
}

fn parse_rows(text: &str) -> Result<Vec<Box<RawValue>>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}
