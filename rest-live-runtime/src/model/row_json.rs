//! Rows as JSON objects of their columns: how they travel to other processes.
//!
//! SeaQuery has a form of each value for serde, with the name of its type beside it. The type is the column's, which both
//! ends know; so only the value travels, which is then what PostgreSQL's `to_jsonb` makes of the row, too: a trigger can
//! write what is read here.

mod value;

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, IdenStatic, Iterable, ModelTrait,
    TryIntoModel, sea_query::ColumnType,
};
use serde_json::value::RawValue;

use self::value::Kind;
use crate::data::event::Row;

/// Why a row cannot travel, or did not arrive. It never shows what a column holds.
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
            why: "it panicked",
        }
    }
}

/// The columns of an entity.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    can_be_blank: fn(&str) -> bool,
    encode: fn(&Row, &[&str]) -> Result<Box<RawValue>, ColumnError>,
    decode: fn(&RawValue, &[&str]) -> Result<Row, ColumnError>,
}

impl Columns {
    pub(crate) fn of<E>() -> Self
    where
        E: EntityTrait<Model: Sync>,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        Self {
            can_be_blank: |name| {
                let mut columns = E::Column::iter();
                columns
                    .find(|column| column.as_str() == name)
                    .is_some_and(|column| blank::<E>(column).is_some())
            },
            encode: encode::<E>,
            decode: decode::<E>,
        }
    }

    /// Returns whether a column can be left out of a row: its type has a default.
    pub(crate) fn can_be_blank(&self, name: &str) -> bool {
        (self.can_be_blank)(name)
    }

    /// Writes a row, without its secret columns.
    ///
    /// # Errors
    /// The column that cannot be written.
    pub(crate) fn encode(&self, row: &Row, secret: &[&str]) -> Result<Box<RawValue>, ColumnError> {
        (self.encode)(row, secret)
    }

    /// Reads a row. Its secret columns are blank, whatever was written.
    ///
    /// # Errors
    /// The column that is missing, or holds something else.
    pub(crate) fn decode(&self, row: &RawValue, secret: &[&str]) -> Result<Row, ColumnError> {
        (self.decode)(row, secret)
    }
}

fn encode<E>(row: &Row, secret: &[&str]) -> Result<Box<RawValue>, ColumnError>
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
        if secret.contains(&name) {
            continue;
        }
        let written = value::write(&model.get(column), &mut |json| {
            if text.len() > 1 {
                text.push(',');
            }
            // A name is written as JSON does it, for one may have any character.
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(json);
        });
        written.map_err(|why| ColumnError {
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

fn decode<E>(row: &RawValue, secret: &[&str]) -> Result<Row, ColumnError>
where
    E: EntityTrait<Model: Sync>,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let values: HashMap<String, &RawValue> =
        serde_json::from_str(row.get()).map_err(|_| ColumnError {
            column: "*".to_owned(),
            why: "the row is no JSON object",
        })?;
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for column in E::Column::iter() {
        let name = column.as_str();
        let error = |why| ColumnError {
            column: name.to_owned(),
            why,
        };
        if secret.contains(&name) {
            let blank = blank::<E>(column).ok_or_else(|| error("it cannot be blank"))?;
            let set = active.try_set(column, blank);
            set.map_err(|_| error("it cannot be blank"))?;
            continue;
        }
        let json = values.get(name).ok_or_else(|| error("it is missing"))?;
        let kind = Kind {
            value: <E::Model as ModelTrait>::get_value_type(column),
            is_array: matches!(column.def().get_column_type(), ColumnType::Array(_)),
        };
        let candidates = value::read(json.get(), &kind);
        let mut candidates = candidates.map_err(error)?.into_iter();
        let is_set = candidates.any(|candidate| active.try_set(column, candidate).is_ok());
        if !is_set {
            return Err(error("it is of another type"));
        }
    }
    let model = active.try_into_model().map_err(|_| ColumnError {
        column: "*".to_owned(),
        why: "the row is not whole",
    })?;
    Ok(Row::new(model))
}

fn blank<E: EntityTrait>(column: E::Column) -> Option<sea_orm::Value> {
    match E::ActiveModel::default_values().get(column) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(value),
        ActiveValue::NotSet => None,
    }
}

#[cfg(test)]
mod tests;
