//! Rows as JSON objects of their columns: the form in which events leave the process.
//!
//! SeaQuery serializes a value together with the name of its type. Both ends know the type from the
//! column, so the JSON contains only the value. This is also what PostgreSQL's `to_jsonb` makes of
//! a row, so a trigger can write rows that this module reads.

mod value;

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IdenStatic, Iterable, ModelTrait, TryIntoModel,
    sea_query::ColumnType,
};
use serde_json::value::RawValue;

use self::value::ValueType;
use super::columns::default_value;
use crate::data::event::Row;

/// Why a row could not be encoded or decoded. It never shows the value of a column, which may be
/// secret.
#[derive(Debug, thiserror::Error)]
#[error("column `{column}`: {why}")]
pub(crate) struct ColumnError {
    column: String,
    why: &'static str,
}

impl ColumnError {
    pub(crate) fn panicked() -> Self {
        Self {
            column: "*".to_owned(),
            why: "the application's code panicked",
        }
    }
}

/// Encodes and decodes the rows of one entity.
#[derive(Clone, Copy)]
pub(crate) struct RowCodec {
    has_default: fn(&str) -> bool,
    encode: fn(&Row, &[&str]) -> Result<Box<RawValue>, ColumnError>,
    decode: fn(&RawValue, &[&str]) -> Result<Row, ColumnError>,
}

impl RowCodec {
    pub(crate) fn of<E>() -> Self
    where
        E: EntityTrait<Model: Sync>,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        Self {
            has_default: |name| {
                let mut columns = E::Column::iter();
                columns
                    .find(|column| column.as_str() == name)
                    .is_some_and(|column| default_value::<E>(column).is_some())
            },
            encode: encode::<E>,
            decode: decode::<E>,
        }
    }

    /// Returns whether the type of a column has a default, so that the column can be secret.
    pub(crate) fn has_default(&self, name: &str) -> bool {
        (self.has_default)(name)
    }

    /// Encodes a row without its absent columns.
    ///
    /// # Errors
    /// The column that cannot be encoded.
    pub(crate) fn encode(&self, row: &Row, absent: &[&str]) -> Result<Box<RawValue>, ColumnError> {
        (self.encode)(row, absent)
    }

    /// Decodes a row. Its absent columns have their defaults, even if the JSON contains them.
    ///
    /// # Errors
    /// The column that is missing or has another type.
    pub(crate) fn decode(&self, row: &RawValue, absent: &[&str]) -> Result<Row, ColumnError> {
        (self.decode)(row, absent)
    }
}

fn encode<E>(row: &Row, absent: &[&str]) -> Result<Box<RawValue>, ColumnError>
where
    E: EntityTrait<Model: Sync>,
{
    let Some(model) = row.downcast::<E::Model>() else {
        return Err(ColumnError {
            column: "*".to_owned(),
            why: "the row is of another model",
        });
    };
    let mut text = String::from("{");
    for column in E::Column::iter() {
        let name = column.as_str();
        if absent.contains(&name) {
            continue;
        }
        value::write(&model.get(column), &mut |json| {
            if text.len() > 1 {
                text.push(',');
            }
            // The name is escaped, because a column name may contain any character.
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(json);
        })
        .map_err(|why| ColumnError {
            column: name.to_owned(),
            why,
        })?;
    }
    text.push('}');
    RawValue::from_string(text).map_err(|_| ColumnError {
        column: "*".to_owned(),
        why: "it is not JSON",
    })
}

fn decode<E>(row: &RawValue, absent: &[&str]) -> Result<Row, ColumnError>
where
    E: EntityTrait<Model: Sync>,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let values: HashMap<String, &RawValue> =
        serde_json::from_str(row.get()).map_err(|_| ColumnError {
            column: "*".to_owned(),
            why: "the row is not a JSON object",
        })?;
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for column in E::Column::iter() {
        let name = column.as_str();
        let error = |why| ColumnError {
            column: name.to_owned(),
            why,
        };
        if absent.contains(&name) {
            let default =
                default_value::<E>(column).ok_or_else(|| error("its type has no default"))?;
            active
                .try_set(column, default)
                .map_err(|_| error("its default is of another type"))?;
            continue;
        }
        let json = values.get(name).ok_or_else(|| error("it is missing"))?;
        let value_type = ValueType {
            element: <E::Model as ModelTrait>::get_value_type(column),
            is_array: matches!(column.def().get_column_type(), ColumnType::Array(_)),
        };
        let is_set = value::read(json.get(), &value_type)
            .map_err(error)?
            .into_iter()
            .any(|candidate| active.try_set(column, candidate).is_ok());
        if !is_set {
            return Err(error("it is of another type"));
        }
    }
    let model = active.try_into_model().map_err(|_| ColumnError {
        column: "*".to_owned(),
        why: "the row is incomplete",
    })?;
    Ok(Row::new(model))
}

#[cfg(test)]
mod tests;
