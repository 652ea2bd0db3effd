//! Rows as JSON objects of their columns: the form in which events leave the process.
//!
//! SeaQuery serializes a value together with the name of its type. Both ends know the type from the
//! column, so the JSON contains only the value. A trigger writes what PostgreSQL's `row_to_json`
//! makes of a row. This module turns it into what SeaORM would read from the database.

mod column;
mod date_time;
mod decimal;
mod read;
mod tagged;
mod value_type;
mod write;

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ActiveModelTrait, EntityTrait, IdenStatic, Iterable, ModelTrait, TryIntoModel};
use serde_json::value::RawValue;

use self::column::ColumnCodec;
pub(crate) use self::column::takes_vector;
use super::columns::default_value;
use crate::data::event::Row;

const UNKNOWN_TYPE: &str = "its type is not known to this version";
const WRONG_TYPE: &str = "it is of another type";

const NO_CAST: &str = "SeaORM reads it through a cast that the trigger does not know: run the migration `Capture` \
                       again, under another name";

/// The name of the member in which a trigger writes the columns that SeaORM reads through a cast.
/// No column can have this name.
const CASTS: &str = "";

/// Why a row could not be encoded or decoded. It never shows the value of a column, which may be
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`: {why}")]
pub(crate) struct ColumnError {
    pub(crate) column: String,
    pub(crate) why: &'static str,
}

impl ColumnError {
    fn new(column: &str, why: &'static str) -> Self {
        Self {
            column: column.to_owned(),
            why,
        }
    }

    fn of_row(why: &'static str) -> Self {
        Self::new("*", why)
    }

    pub(crate) fn panicked() -> Self {
        Self::of_row("the application's code panicked")
    }
}

/// What wrote the JSON of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodedBy {
    /// A server, which encodes exactly what it has.
    Server,
    /// A trigger in PostgreSQL. Its JSON must be converted to what SeaORM reads.
    Trigger,
}

type Encode = fn(&[ColumnCodec], &Row, &[&str]) -> Result<Box<RawValue>, ColumnError>;

type Decode = fn(&[ColumnCodec], &RawValue, &[&str], EncodedBy) -> Result<Row, ColumnError>;

/// Encodes and decodes the rows of one entity.
#[derive(Clone)]
pub(crate) struct RowCodec {
    columns: Arc<[ColumnCodec]>,
    has_default: fn(&str) -> bool,
    encode: Encode,
    decode: Decode,
    check: fn(&[ColumnCodec], &[&str]) -> Vec<ColumnError>,
}

impl RowCodec {
    pub(crate) fn of<E>() -> Self
    where
        E: EntityTrait<Model: Sync>,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        Self {
            columns: E::Column::iter().map(ColumnCodec::of::<E>).collect(),
            has_default: |name| {
                let mut columns = E::Column::iter();
                columns
                    .find(|column| column.as_str() == name)
                    .is_some_and(|column| default_value::<E>(column).is_some())
            },
            encode: encode::<E>,
            decode: decode::<E>,
            check: |columns, absent| {
                let columns = E::Column::iter().zip(columns);
                columns
                    .filter(|(_, codec)| !absent.contains(&codec.name))
                    .filter_map(|(column, codec)| {
                        let default = default_value::<E>(column);
                        let why = codec.check::<E>(column, default).err()?;
                        Some(ColumnError::new(codec.name, why))
                    })
                    .collect()
            },
        }
    }

    /// Returns whether the type of a column has a default, so that the column can be absent.
    pub(crate) fn has_default(&self, name: &str) -> bool {
        (self.has_default)(name)
    }

    /// Tries each column once, and returns the columns that cannot leave this process. Absent
    /// columns need not.
    pub(crate) fn check(&self, absent: &[&str]) -> Vec<ColumnError> {
        (self.check)(&self.columns, absent)
    }

    /// Encodes a row without its absent columns.
    ///
    /// # Errors
    /// The column that cannot be encoded.
    pub(crate) fn encode(&self, row: &Row, absent: &[&str]) -> Result<Box<RawValue>, ColumnError> {
        (self.encode)(&self.columns, row, absent)
    }

    /// Decodes a row. Its absent columns have their defaults, even if the JSON contains them.
    ///
    /// # Errors
    /// The column that is missing or has another type.
    pub(crate) fn decode(
        &self,
        row: &RawValue,
        absent: &[&str],
        encoded_by: EncodedBy,
    ) -> Result<Row, ColumnError> {
        (self.decode)(&self.columns, row, absent, encoded_by)
    }
}

fn encode<E>(
    columns: &[ColumnCodec],
    row: &Row,
    absent: &[&str],
) -> Result<Box<RawValue>, ColumnError>
where
    E: EntityTrait<Model: Sync>,
{
    let Some(model) = row.downcast::<E::Model>() else {
        return Err(ColumnError::of_row("the row is of another model"));
    };
    let mut text = String::from("{");
    for (column, codec) in E::Column::iter().zip(columns) {
        if absent.contains(&codec.name) {
            continue;
        }
        write::write(&model.get(column), &mut |json| {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&codec.member);
            text.push_str(json);
        })
        .map_err(|why| ColumnError::new(codec.name, why))?;
    }
    text.push('}');
    RawValue::from_string(text).map_err(|_| ColumnError::of_row("it is not JSON"))
}

fn decode<E>(
    columns: &[ColumnCodec],
    row: &RawValue,
    absent: &[&str],
    encoded_by: EncodedBy,
) -> Result<Row, ColumnError>
where
    E: EntityTrait<Model: Sync>,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let values = members(row)?;
    let casts = values.get(CASTS).map(|casts| members(casts)).transpose()?;
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for (column, codec) in E::Column::iter().zip(columns) {
        let error = |why| ColumnError::new(codec.name, why);
        if absent.contains(&codec.name) {
            let default =
                default_value::<E>(column).ok_or_else(|| error("its type has no default"))?;
            active
                .try_set(column, default)
                .map_err(|_| error("its default is of another type"))?;
            continue;
        }
        let json = if codec.has_cast && encoded_by == EncodedBy::Trigger {
            let cast = casts.as_ref().and_then(|casts| casts.get(codec.name));
            cast.ok_or_else(|| error(NO_CAST))?
        } else {
            values
                .get(codec.name)
                .ok_or_else(|| error("it is missing"))?
        };
        let mut accept = |value| active.try_set(column, value).is_ok();
        codec
            .read(json.get(), encoded_by, &mut accept)
            .map_err(error)?;
    }
    let model = active
        .try_into_model()
        .map_err(|_| ColumnError::of_row("the row is incomplete"))?;
    Ok(Row::new(model))
}

fn members(object: &RawValue) -> Result<HashMap<String, &RawValue>, ColumnError> {
    serde_json::from_str(object.get())
        .map_err(|_| ColumnError::of_row("the row is not a JSON object"))
}

#[cfg(test)]
mod tests;
