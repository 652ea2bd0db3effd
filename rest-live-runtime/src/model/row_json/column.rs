//! [`ColumnCodec`]: reads the values of one column, and tries whether it can.

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, IdenStatic, ModelTrait, Value,
    sea_query::ColumnType,
};
use serde_json::Value as Json;

use super::{
    EncodedBy, read,
    tagged::Tagged,
    value_type::{Kind, ValueType},
    write,
};
use crate::{model::cast::has_cast, user_code};

/// What the codec knows of one column.
pub(super) struct ColumnCodec {
    pub(super) name: &'static str,
    /// The name as the start of a member of a JSON object. It is escaped, because a column's name
    /// may contain any character.
    pub(super) member: String,
    /// Whether SeaORM reads the column through a cast (`select_as`), so that a trigger must write
    /// the result of the cast.
    pub(super) has_cast: bool,
    value_type: Result<ValueType, &'static str>,
}

impl ColumnCodec {
    pub(super) fn of<E: EntityTrait>(column: E::Column) -> Self {
        let name = column.as_str();
        Self {
            name,
            member: format!("{}:", Json::from(name)),
            // PostgreSQL writes an enumeration as a text by itself.
            has_cast: has_cast(&column),
            value_type: value_type::<E>(column),
        }
    }

    fn value_type(&self) -> Result<&ValueType, &'static str> {
        self.value_type.as_ref().map_err(|why| *why)
    }

    /// Reads a value, which `accept` takes.
    ///
    /// # Errors
    /// Why no value was taken.
    pub(super) fn read(
        &self,
        json: &str,
        encoded_by: EncodedBy,
        accept: &mut dyn FnMut(Value) -> bool,
    ) -> Result<(), &'static str> {
        read::read(json, self.value_type()?, encoded_by, accept)
    }

    /// Tries whether the column survives encoding, with samples of its type.
    ///
    /// A type of the application may refuse all samples. Then only its underlying type is known to
    /// be supported.
    ///
    /// # Errors
    /// Why the column cannot leave this process.
    pub(super) fn check<E: EntityTrait>(
        &self,
        column: E::Column,
        default: Option<Value>,
    ) -> Result<(), &'static str> {
        let value_type = self.value_type()?;
        // SeaQuery panics if an element of an array has no value in the application's type, such as
        // an enumeration with a text behind it.
        let arrays = match value_type.kind {
            Kind::Text | Kind::Enum(_) | Kind::Integer | Kind::Json => vec!["[]".to_owned()],
            _ => samples(value_type)
                .iter()
                .map(|sample| format!("[{sample}]"))
                .collect(),
        };
        let attempt = || {
            let values = samples(value_type)
                .into_iter()
                .chain(arrays)
                .filter_map(|sample| self.value_of::<E>(column, &sample))
                .chain(default);
            for value in values {
                let mut text = String::new();
                write::write(&value, &mut |json| text.push_str(json))?;
                if self.value_of::<E>(column, &text).as_ref() != Some(&value) {
                    return Err("a value of its type changes when it is encoded and decoded");
                }
            }
            Ok(())
        };
        user_code::call(attempt).unwrap_or(Err("the code of its type panicked"))
    }

    fn value_of<E: EntityTrait>(&self, column: E::Column, json: &str) -> Option<Value> {
        let mut active = <E::ActiveModel as ActiveModelTrait>::default();
        let mut accept = |value| active.try_set(column, value).is_ok();
        self.read(json, EncodedBy::Server, &mut accept).ok()?;
        match active.get(column) {
            ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(value),
            ActiveValue::NotSet => None,
        }
    }
}

/// Returns whether a column takes a vector of pgvector, whose `ValueType::array_type` panics.
pub(crate) fn takes_vector<E: EntityTrait>(column: E::Column) -> bool {
    // Without SeaORM's feature, there is no such value.
    let Ok(vector) = Tagged::one("Vector", Tagged::List(vec![Tagged::Float(0.0)])).into_value()
    else {
        return false;
    };
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    let set = user_code::call(|| active.try_set(column, vector).is_ok());
    set.unwrap_or(false)
}

fn value_type<E: EntityTrait>(column: E::Column) -> Result<ValueType, &'static str> {
    if takes_vector::<E>(column) {
        return Ok(ValueType::vector());
    }
    let element = user_code::call(|| <E::Model as ModelTrait>::get_value_type(column))
        .map_err(|_| "`ValueType::array_type` of its type panicked")?;
    let mut value_type = ValueType::of(&element)?;
    if let ColumnType::Array(element) = column.def().get_column_type()
        && let ColumnType::Enum { variants, .. } = &**element
    {
        value_type.choices = Some(variants.iter().map(|v| v.to_string().into()).collect());
    }
    Ok(value_type)
}

/// Returns values of a type in JSON. They include the extremes, which other formats may change.
fn samples(value_type: &ValueType) -> Vec<String> {
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| Json::from(text).to_string())
            .collect()
    };
    match &value_type.kind {
        Kind::Integer => vec!["1".to_owned()],
        Kind::Float | Kind::Double => vec!["0.1".to_owned(), "\"NaN\"".to_owned()],
        Kind::Text => texts(&["a"]),
        Kind::Bytes => texts(&["\\x00ff"]),
        Kind::Json => vec!["{\"a\":0.1}".to_owned()],
        Kind::Decimal | Kind::BigDecimal => texts(&["1.50"]),
        Kind::Vector => vec!["[0.1]".to_owned()],
        // A variant that does not exist is refused, like any other sample.
        Kind::Enum(_) => texts(&["a"]),
        Kind::Chrono | Kind::Time | Kind::Plain => texts(&[
            "2024-05-01",
            "12:00:00.000001",
            "2024-05-01T12:00:00.000001",
            "2024-05-01T12:00:00.000001+02:00",
            "10.0.0.1",
            "08:00:2B:01:02:03",
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "a",
        ])
        .into_iter()
        .chain(["true".to_owned()])
        .collect(),
    }
}
