//! Values of primary keys and group columns, and their form in the protocol.
//!
//! [`KeyValue`] is the canonical form. A value from a row and a value from a client are equal
//! exactly if they name the same group. [`KeyKind`] describes the values of a column, and parses a
//! client's JSON.

use std::{fmt, sync::Arc};

use sea_orm::{
    ColumnType, Value,
    prelude::Uuid,
    sea_query::{ArrayType, OptionEnum, StringLen},
};
use serde::{Serialize, Serializer};

/// The name of the primary key in the protocol.
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
    /// A composite primary key, or the columns of a group key that has not exactly one, in the
    /// order of the declaration. It is empty for the group of all rows.
    Composite(Arc<[Self]>),
}

impl KeyValue {
    /// Returns the canonical form of a column's value, or `None` if it is NULL or has a type that
    /// cannot be a key.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers have the value only for this call"
    )]
    pub fn from_column(value: Value) -> Option<Self> {
        let key = Self::from_value(&value);
        // The declared type of the column can be a key, or else `build` would have refused it. So
        // the database returned a value of another type. SeaQuery's name for a type panics for some
        // types, so the line contains that of NULL.
        if key.is_none() && value != value.as_null() {
            tracing::error!(
                value_type = ?value.as_null(),
                "the database returned a value of an unexpected type for a key column: clients do not receive the changes of this row. Check that the entity declares the type that the column has in the database"
            );
        }
        key
    }

    /// Returns the canonical form of any value, like [`from_column`](Self::from_column), but
    /// reports nothing if it cannot be a key.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        Some(match *value {
            Value::Bool(v) => Self::Bool(v?),
            Value::TinyInt(v) => Self::Integer(v?.into()),
            Value::SmallInt(v) => Self::Integer(v?.into()),
            Value::Int(v) => Self::Integer(v?.into()),
            Value::BigInt(v) => Self::Integer(v?.into()),
            Value::TinyUnsigned(v) => Self::Integer(v?.into()),
            Value::SmallUnsigned(v) => Self::Integer(v?.into()),
            Value::Unsigned(v) => Self::Integer(v?.into()),
            Value::BigUnsigned(v) => Self::Integer(v?.into()),
            Value::String(ref v) => Self::Text(v.as_deref()?.into()),
            Value::Char(v) => Self::Text(v?.to_string().into()),
            Value::Uuid(v) => Self::Uuid(v?),
            Value::Enum(OptionEnum::Some(ref v)) => Self::Text(v.value.as_ref().into()),
            _ => return None,
        })
    }

    /// Returns the value in the form in which the model holds it, for a query.
    pub(crate) fn to_column(&self, value_type: &ArrayType) -> Value {
        match self {
            Self::Bool(v) => (*v).into(),
            // No cast truncates: the value comes from a row, or from a client and was checked
            // against the range of the type.
            Self::Integer(v) => match value_type {
                ArrayType::TinyInt => (*v as i8).into(),
                ArrayType::SmallInt => (*v as i16).into(),
                ArrayType::Int => (*v as i32).into(),
                ArrayType::TinyUnsigned => (*v as u8).into(),
                ArrayType::SmallUnsigned => (*v as u16).into(),
                ArrayType::Unsigned => (*v as u32).into(),
                ArrayType::BigUnsigned => (*v as u64).into(),
                _ => (*v as i64).into(),
            },
            Self::Text(v) => v.as_ref().into(),
            Self::Uuid(v) => (*v).into(),
            Self::Composite(_) => Value::Int(None),
        }
    }

    /// Returns the total length of its texts, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.parts()
            .iter()
            .map(|part| match part {
                Self::Text(text) => text.len(),
                _ => 0,
            })
            .sum()
    }

    /// Returns the values of its columns, in column order.
    pub(crate) fn parts(&self) -> &[Self] {
        match self {
            Self::Composite(parts) => parts,
            single => std::slice::from_ref(single),
        }
    }
}

/// Serializes the value as a REST API does: as a number, a string or a boolean, and a composite key
/// as an array.
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

/// The kind of values that a primary key or a group column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// `true` or `false`.
    Bool,
    /// Integers in this range, both ends included.
    Integer {
        /// The smallest value.
        min: i128,
        /// The largest value.
        max: i128,
    },
    /// Any string.
    Text,
    /// One of these strings or integers: an enumeration of the database or of Rust.
    Choice(Box<[KeyValue]>),
    /// A UUID, written as a string in any of its usual forms.
    Uuid,
    /// A composite primary key, written as an array in column order, or the columns of a group key
    /// that has not exactly one, in the order of the declaration.
    Composite(Box<[Self]>),
}

impl KeyKind {
    /// Returns the kind of a column type, or `None` if it cannot be a key.
    ///
    /// Floats, times, JSON, bytes and others cannot be keys: two values that are equal in the
    /// database can differ in the protocol, or the other way round.
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
                variants
                    .iter()
                    .map(|v| KeyValue::Text(v.to_string().into()))
                    .collect(),
            )),
            ColumnType::Uuid => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Returns the kind of a field's type, or `None` if it cannot be a key.
    pub(crate) fn of_value(value_type: &ArrayType) -> Option<Self> {
        match value_type {
            ArrayType::Bool => Some(Self::Bool),
            ArrayType::TinyInt => Self::of(&ColumnType::TinyInteger),
            ArrayType::SmallInt => Self::of(&ColumnType::SmallInteger),
            ArrayType::Int => Self::of(&ColumnType::Integer),
            ArrayType::BigInt => Self::of(&ColumnType::BigInteger),
            ArrayType::TinyUnsigned => Self::of(&ColumnType::TinyUnsigned),
            ArrayType::SmallUnsigned => Self::of(&ColumnType::SmallUnsigned),
            ArrayType::Unsigned => Self::of(&ColumnType::Unsigned),
            ArrayType::BigUnsigned => Self::of(&ColumnType::BigUnsigned),
            ArrayType::String | ArrayType::Char | ArrayType::Enum(_) => Some(Self::Text),
            ArrayType::Uuid => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Returns whether values of both kinds can be equal.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Bool, Self::Bool)
                | (Self::Integer { .. }, Self::Integer { .. })
                | (Self::Text | Self::Choice(_), Self::Text | Self::Choice(_))
                | (Self::Uuid, Self::Uuid)
        )
    }

    /// Parses the value that a client sent. An integer may be sent as a string of its digits, and a
    /// boolean as `"true"` or `"false"`.
    ///
    /// # Errors
    /// [`KeyMismatch`], which describes the values that the column can hold. `null` is always an
    /// error: a row with NULL in its group column is in no group.
    pub fn read(&self, json: &serde_json::Value) -> Result<KeyValue, KeyMismatch<'_>> {
        use serde_json::Value as Json;
        let value = match (self, json) {
            (Self::Bool, Json::Bool(v)) => Some(KeyValue::Bool(*v)),
            (Self::Bool, Json::String(v)) => v.parse().ok().map(KeyValue::Bool),
            (Self::Integer { min, max }, Json::Number(_) | Json::String(_)) => read_integer(json)
                .filter(|v| (min..=max).contains(&v))
                .map(KeyValue::Integer),
            (Self::Text, Json::String(v)) => Some(KeyValue::Text(v.as_str().into())),
            (Self::Choice(choices), Json::Number(_) | Json::String(_)) => choices
                .iter()
                .find(|choice| match choice {
                    KeyValue::Text(choice) => json.as_str() == Some(choice),
                    KeyValue::Integer(choice) => read_integer(json) == Some(*choice),
                    _ => false,
                })
                .cloned(),
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

/// Parses an integer, or a string of its digits.
fn read_integer(json: &serde_json::Value) -> Option<i128> {
    use serde_json::Value as Json;
    match json {
        Json::Number(v) => v
            .as_i64()
            .map(i128::from)
            .or_else(|| v.as_u64().map(i128::from)),
        // Only the canonical digits: `+1` and `01` are probably mistakes.
        Json::String(v) => v.parse().ok().filter(|n: &i128| n.to_string() == *v),
        _ => None,
    }
}

/// Maximum number of values that an error lists.
const MAX_LISTED_CHOICES: usize = 50;

/// The value is not of the kind that its column can hold.
///
/// Its text completes the sentence "the value must be ...", for example "an integer from 0 to 255".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMismatch<'k>(&'k KeyKind);

impl<'k> KeyMismatch<'k> {
    pub(crate) const fn new(kind: &'k KeyKind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for KeyMismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            KeyKind::Bool => f.write_str("true or false"),
            KeyKind::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            KeyKind::Text => f.write_str("a string"),
            KeyKind::Choice(choices) => {
                let listed = choices
                    .iter()
                    .take(MAX_LISTED_CHOICES)
                    .map(|choice| match choice {
                        KeyValue::Text(text) => format!("{text:?}"),
                        KeyValue::Integer(integer) => integer.to_string(),
                        other => format!("{other:?}"),
                    });
                let more = if choices.len() > MAX_LISTED_CHOICES {
                    ", …"
                } else {
                    ""
                };
                write!(
                    f,
                    "one of [{}{more}]",
                    listed.collect::<Vec<_>>().join(", ")
                )
            }
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
    fn integers_must_be_in_the_range_of_the_column() {
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
    fn text_accepts_only_strings() {
        assert_eq!(
            KeyKind::Text.read(&json!("5")),
            Ok(KeyValue::Text("5".into()))
        );
        assert_eq!(
            KeyKind::Text.read(&json!(5)),
            Err(KeyMismatch(&KeyKind::Text))
        );
        let choice = KeyKind::Choice(["low", "high"].map(|v| KeyValue::Text(v.into())).into());
        assert_eq!(choice.read(&json!("low")), Ok(KeyValue::Text("low".into())));
        assert_eq!(
            choice.read(&json!("none")).map_err(|e| e.to_string()),
            Err(r#"one of ["low", "high"]"#.into())
        );
    }

    #[test]
    fn integer_choices_are_read_like_integers() {
        let kind = KeyKind::Choice([1, 2].map(KeyValue::Integer).into());
        assert_eq!(kind.read(&json!(1)), Ok(KeyValue::Integer(1)));
        assert_eq!(kind.read(&json!("2")), Ok(KeyValue::Integer(2)));
        for json in [json!(3), json!("02"), json!(1.0), json!("one"), json!(null)] {
            assert_eq!(
                kind.read(&json).map_err(|e| e.to_string()),
                Err("one of [1, 2]".into()),
                "{json}"
            );
        }
    }

    #[test]
    fn long_lists_of_choices_are_truncated() {
        let choices: Vec<_> = (0..51).map(KeyValue::Integer).collect();
        let text = KeyMismatch(&KeyKind::Choice(choices.into())).to_string();
        assert!(text.ends_with(", 49, …]"), "{text}");
    }

    #[test]
    fn all_forms_of_a_uuid_are_equal() {
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
    fn a_composite_key_is_an_array_of_exact_length() {
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
    fn null_and_floats_are_not_keys() {
        assert_eq!(KeyValue::from_column(Value::Int(None)), None);
        assert_eq!(KeyValue::from_column(Value::Double(Some(1.0))), None);
        assert_eq!(
            KeyValue::from_column(Value::BigInt(Some(3))),
            Some(KeyValue::Integer(3))
        );
        assert_eq!(KeyKind::of(&ColumnType::Double), None);
    }
}
