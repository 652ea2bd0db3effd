//! [`ValueType`]: the type of a column's values, as far as their JSON depends on it.

use sea_orm::{
    Value,
    sea_query::{ArrayType, EnumTypeName, OptionEnum},
};
use serde_json::Value as Json;

use super::{UNKNOWN_TYPE, tagged::Tagged};

/// The type of a column's values. For a column of arrays, the type of their elements.
#[derive(Clone, Debug)]
pub(super) struct ValueType {
    /// SeaQuery's name of the type. SeaQuery has most types only if the application enables a
    /// feature, so this crate cannot name them in code.
    pub(super) tag: Box<str>,
    pub(super) kind: Kind,
    /// The elements of an array of enumerations, `None` if they are not known or any are allowed.
    pub(super) choices: Option<Box<[Box<str>]>>,
}

/// How the JSON of a value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Double,
    Text,
    Bytes,
    Json,
    Enum(EnumTypeName),
    /// A date, a time or both, of `chrono`.
    Chrono,
    /// A date, a time or both, of `time`.
    Time,
    Decimal,
    BigDecimal,
    /// A vector of pgvector.
    Vector,
    /// A type whose JSON is also what SeaQuery deserializes.
    Plain,
}

impl ValueType {
    /// The type of pgvector's column. SeaQuery has no [`ArrayType`] for it.
    pub(super) fn vector() -> Self {
        Self {
            tag: "Vector".into(),
            kind: Kind::Vector,
            choices: None,
        }
    }

    /// Finds the type by SeaQuery's name for it.
    ///
    /// # Errors
    /// Why the type cannot be carried.
    pub(super) fn of(element: &ArrayType) -> Result<Self, &'static str> {
        if let ArrayType::Enum(name) = element {
            return Ok(Self {
                tag: "Enum".into(),
                kind: Kind::Enum((**name).clone()),
                choices: None,
            });
        }
        let Ok(Json::String(tag)) = serde_json::to_value(element) else {
            return Err(UNKNOWN_TYPE);
        };
        let value_type = Self {
            kind: kind(&tag),
            tag: tag.into(),
            choices: None,
        };
        value_type.null().map(|_| value_type)
    }

    /// Returns the value NULL of this type.
    ///
    /// # Errors
    /// SeaQuery cannot deserialize this type.
    pub(super) fn null(&self) -> Result<Value, &'static str> {
        if let Kind::Enum(name) = &self.kind {
            return Ok(Value::Enum(OptionEnum::None(name.clone())));
        }
        Tagged::one(&self.tag, Json::Null.into()).into_value()
    }

    /// Returns whether the type has a time zone.
    pub(super) fn has_time_zone(&self) -> bool {
        matches!(
            &*self.tag,
            "ChronoDateTimeUtc"
                | "ChronoDateTimeLocal"
                | "ChronoDateTimeWithTimeZone"
                | "TimeDateTimeWithTimeZone"
        )
    }
}

fn kind(tag: &str) -> Kind {
    match tag {
        "TinyInt" | "SmallInt" | "Int" | "BigInt" | "TinyUnsigned" | "SmallUnsigned"
        | "Unsigned" | "BigUnsigned" => Kind::Integer,
        "Float" => Kind::Float,
        "Double" => Kind::Double,
        "String" => Kind::Text,
        "Bytes" => Kind::Bytes,
        "Json" => Kind::Json,
        "Decimal" => Kind::Decimal,
        "BigDecimal" => Kind::BigDecimal,
        "TimeDate" | "TimeTime" | "TimeDateTime" | "TimeDateTimeWithTimeZone" => Kind::Time,
        _ if tag.starts_with("Chrono") => Kind::Chrono,
        _ => Kind::Plain,
    }
}
