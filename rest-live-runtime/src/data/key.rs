//! Values of primary keys and group columns, and how the wire writes them.
//!
//! [`KeyValue`] is the one canonical form: what a row holds and what a client asks for compare
//! equal exactly when they name the same group. [`KeyKind`] knows what a column can hold, and so
//! reads a client's JSON.

use std::{fmt, sync::Arc};

use sea_orm::{
    ColumnType, Value,
    prelude::Uuid,
    sea_query::{OptionEnum, StringLen},
};
use serde::{Serialize, Serializer};

/// The name of the primary key's group on the wire.
pub(crate) const PK: &str = "pk";

/// The value of a primary key or of a group column, never NULL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyValue {
    /// A boolean column.
    Bool(bool),
    /// An integer column of any width and sign.
    Integer(i128),
    /// A character, string or enumeration column.
    Text(Arc<str>),
    /// A UUID column.
    Uuid(Uuid),
    /// A composite primary key, in column order.
    Composite(Arc<[Self]>),
}

impl KeyValue {
    /// Returns the canonical form of a column's value, `None` where it is NULL or of a type that
    /// cannot be a key.
    pub fn from_column(value: Value) -> Option<Self> {
        let (is_null, array_type) = (value == value.as_null(), value.array_type());
        let key = Self::from_value(value);
        // The column's declared type could be a key's, or `build` had refused it.
        if key.is_none() && !is_null {
            tracing::error!(value_type = ?array_type, "a key column holds what is no key: its row is in no group");
        }
        key
    }

    /// The same of any value, which need not be a key's.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        Some(match value {
            Value::Bool(v) => Self::Bool(v?),
            Value::TinyInt(v) => Self::Integer(v?.into()),
            Value::SmallInt(v) => Self::Integer(v?.into()),
            Value::Int(v) => Self::Integer(v?.into()),
            Value::BigInt(v) => Self::Integer(v?.into()),
            Value::TinyUnsigned(v) => Self::Integer(v?.into()),
            Value::SmallUnsigned(v) => Self::Integer(v?.into()),
            Value::Unsigned(v) => Self::Integer(v?.into()),
            Value::BigUnsigned(v) => Self::Integer(v?.into()),
            Value::String(v) => Self::Text(v?.into()),
            Value::Char(v) => Self::Text(v?.to_string().into()),
            Value::Uuid(v) => Self::Uuid(v?),
            Value::Enum(OptionEnum::Some(v)) => Self::Text(v.value.as_ref().into()),
            _ => return None,
        })
    }

    /// Returns the value as a column of this type takes it in a query.
    pub(crate) fn to_column(&self, column_type: &ColumnType) -> Value {
        match self {
            Self::Bool(v) => (*v).into(),
            // Read from a client within the column's range, or from the column.
            Self::Integer(v) => match column_type {
                ColumnType::TinyInteger => (*v as i8).into(),
                ColumnType::SmallInteger => (*v as i16).into(),
                ColumnType::Integer => (*v as i32).into(),
                ColumnType::TinyUnsigned => (*v as u8).into(),
                ColumnType::SmallUnsigned => (*v as u16).into(),
                ColumnType::Unsigned => (*v as u32).into(),
                ColumnType::BigUnsigned => (*v as u64).into(),
                _ => (*v as i64).into(),
            },
            Self::Text(v) => v.as_ref().into(),
            Self::Uuid(v) => (*v).into(),
            Self::Composite(_) => Value::Int(None),
        }
    }

    /// Returns how many bytes of text it holds.
    pub(crate) fn text_bytes(&self) -> usize {
        self.parts()
            .iter()
            .map(|part| match part {
                Self::Text(text) => text.len(),
                _ => 0,
            })
            .sum()
    }

    /// Returns the values of the key's columns, in column order.
    pub(crate) fn parts(&self) -> &[Self] {
        match self {
            Self::Composite(parts) => parts,
            single => std::slice::from_ref(single),
        }
    }
}

/// As REST writes it: a number, a string, a boolean, an array for a composite key.
impl Serialize for KeyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(v) => v.serialize(serializer),
            Self::Integer(v) => v.serialize(serializer),
            Self::Text(v) => serializer.serialize_str(v),
            Self::Uuid(v) => serializer.collect_str(v),
            Self::Composite(v) => serializer.collect_seq(v.iter()),
        }
    }
}

/// What a primary key or group column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// `true` or `false`.
    Bool,
    /// Integers of this range, both ends included.
    Integer {
        /// The smallest value.
        min: i128,
        /// The largest value.
        max: i128,
    },
    /// Any string.
    Text,
    /// One of these strings: a database enumeration.
    Choice(Box<[Box<str>]>),
    /// A UUID, written as a string in any of its usual forms.
    Uuid,
    /// A composite primary key, written as an array in column order.
    Composite(Box<[Self]>),
}

impl KeyKind {
    /// Returns the kind of a column's type, `None` for one that cannot be a key (floats, times,
    /// JSON, bytes...), whose equality is not the wire's.
    pub fn of(column_type: &ColumnType) -> Option<Self> {
        const fn integers(min: i128, max: i128) -> Option<KeyKind> {
            Some(KeyKind::Integer { min, max })
        }
        match column_type {
            ColumnType::Boolean => Some(Self::Bool),
            ColumnType::TinyInteger => integers(i8::MIN as i128, i8::MAX as i128),
            ColumnType::SmallInteger => integers(i16::MIN as i128, i16::MAX as i128),
            ColumnType::Integer => integers(i32::MIN as i128, i32::MAX as i128),
            ColumnType::BigInteger => integers(i64::MIN as i128, i64::MAX as i128),
            ColumnType::TinyUnsigned => integers(0, u8::MAX as i128),
            ColumnType::SmallUnsigned => integers(0, u16::MAX as i128),
            ColumnType::Unsigned => integers(0, u32::MAX as i128),
            ColumnType::BigUnsigned => integers(0, u64::MAX as i128),
            ColumnType::Char(_) | ColumnType::Text | ColumnType::Custom(_) => Some(Self::Text),
            ColumnType::String(StringLen::None | StringLen::Max | StringLen::N(_)) => {
                Some(Self::Text)
            }
            ColumnType::Enum { variants, .. } => Some(Self::Choice(
                variants.iter().map(|v| v.to_string().into()).collect(),
            )),
            ColumnType::Uuid => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Reads the value that a client sent. An integer may come as its digits in a string.
    ///
    /// # Errors
    /// What the column could have held, for the client to read. `null` is always an error: a row
    /// whose group column is NULL is in no group.
    pub fn read(&self, json: &serde_json::Value) -> Result<KeyValue, KeyMismatch<'_>> {
        use serde_json::Value as Json;
        let value = match (self, json) {
            (Self::Bool, Json::Bool(v)) => Some(KeyValue::Bool(*v)),
            (Self::Bool, Json::String(v)) => v.parse().ok().map(KeyValue::Bool),
            (Self::Integer { min, max }, Json::Number(_) | Json::String(_)) => match json {
                Json::Number(v) => v
                    .as_i64()
                    .map(i128::from)
                    .or_else(|| v.as_u64().map(i128::from)),
                // The one way to write it: `+1` and `01` are typing errors.
                Json::String(v) => v.parse().ok().filter(|n: &i128| n.to_string() == *v),
                _ => None,
            }
            .filter(|v| (min..=max).contains(&v))
            .map(KeyValue::Integer),
            (Self::Text, Json::String(v)) => Some(KeyValue::Text(v.as_str().into())),
            (Self::Choice(choices), Json::String(v)) => choices
                .iter()
                .any(|c| **c == **v)
                .then(|| KeyValue::Text(v.as_str().into())),
            (Self::Uuid, Json::String(v)) => Uuid::parse_str(v).ok().map(KeyValue::Uuid),
            (Self::Composite(kinds), Json::Array(values)) if kinds.len() == values.len() => kinds
                .iter()
                .zip(values)
                .map(|(kind, value)| kind.read(value).ok())
                .collect::<Option<_>>()
                .map(KeyValue::Composite),
            _ => None,
        };
        value.ok_or(KeyMismatch(self))
    }
}

/// Says what a key of some kind looks like, to finish the sentence "the value must be ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMismatch<'k>(&'k KeyKind);

impl<'k> KeyMismatch<'k> {
    pub(crate) fn of(kind: &'k KeyKind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for KeyMismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            KeyKind::Bool => f.write_str("true or false"),
            KeyKind::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            KeyKind::Text => f.write_str("a string"),
            KeyKind::Choice(choices) => write!(f, "one of {choices:?}"),
            KeyKind::Uuid => f.write_str("a UUID in a string"),
            KeyKind::Composite(kinds) => {
                f.write_str("an array of ")?;
                for (i, kind) in kinds.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, KeyMismatch(kind))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_read_within_their_columns_range() {
        let kind = KeyKind::of(&ColumnType::Integer).expect("a key kind");
        for (json, value) in [
            (json!(1), Some(1)),
            (json!("1"), Some(1)),
            (json!(-7), Some(-7)),
            (json!(2147483647), Some(2147483647)),
        ] {
            assert_eq!(
                kind.read(&json).ok(),
                value.map(KeyValue::Integer),
                "{json}"
            );
        }
        for json in [
            json!(2147483648u32),
            json!(1.5),
            json!(1.0),
            json!("one"),
            json!(""),
            json!(" 1"),
            json!("+1"),
            json!("01"),
            json!(null),
            json!(true),
            json!([1]),
            json!({"id": 1}),
        ] {
            assert_eq!(kind.read(&json), Err(KeyMismatch(&kind)), "{json}");
        }
        let unsigned = KeyKind::of(&ColumnType::BigUnsigned).expect("a key kind");
        assert_eq!(
            unsigned.read(&json!(u64::MAX)),
            Ok(KeyValue::Integer(u64::MAX.into()))
        );
        assert_eq!(unsigned.read(&json!(-1)), Err(KeyMismatch(&unsigned)));
    }

    #[test]
    fn a_text_key_is_a_string_and_nothing_else() {
        assert_eq!(
            KeyKind::Text.read(&json!("5")),
            Ok(KeyValue::Text("5".into()))
        );
        assert_eq!(
            KeyKind::Text.read(&json!(5)),
            Err(KeyMismatch(&KeyKind::Text))
        );
        let choice = KeyKind::Choice(["low".into(), "high".into()].into());
        assert_eq!(choice.read(&json!("low")), Ok(KeyValue::Text("low".into())));
        assert_eq!(
            choice.read(&json!("none")).map_err(|e| e.to_string()),
            Err(r#"one of ["low", "high"]"#.into())
        );
    }

    #[test]
    fn a_uuid_is_the_same_in_each_of_its_forms() {
        let forms = [
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67E5504410B1426F9247BB680E5FE0C8",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
        ];
        let read = forms.map(|form| KeyKind::Uuid.read(&json!(form)).expect("a UUID"));
        assert!(read.windows(2).all(|w| w[0] == w[1]));
        assert_eq!(
            KeyKind::Uuid.read(&json!("67e55044")),
            Err(KeyMismatch(&KeyKind::Uuid))
        );
    }

    #[test]
    fn a_composite_key_is_an_array_of_its_length() {
        let kind = KeyKind::Composite([KeyKind::Integer { min: 0, max: 9 }, KeyKind::Text].into());
        assert_eq!(
            kind.read(&json!([1, "a"])),
            Ok(KeyValue::Composite(
                [KeyValue::Integer(1), KeyValue::Text("a".into())].into()
            ))
        );
        for json in [
            json!([1]),
            json!([1, "a", 2]),
            json!([10, "a"]),
            json!([1, null]),
            json!(1),
        ] {
            assert!(kind.read(&json).is_err(), "{json}");
        }
        assert_eq!(
            kind.read(&json!(1)).map_err(|e| e.to_string()),
            Err("an array of an integer from 0 to 9, a string".into())
        );
    }

    #[test]
    fn null_and_unsuitable_columns_are_no_keys() {
        assert_eq!(KeyValue::from_column(Value::Int(None)), None);
        assert_eq!(KeyValue::from_column(Value::Double(Some(1.0))), None);
        assert_eq!(
            KeyValue::from_column(Value::BigInt(Some(3))),
            Some(KeyValue::Integer(3))
        );
        assert_eq!(KeyKind::of(&ColumnType::Double), None);
    }
}
