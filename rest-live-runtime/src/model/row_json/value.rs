//! The value of one column as JSON.

use sea_orm::{
    Value,
    sea_query::{ArrayType, Enum, OptionEnum},
};
use serde_json::{Map, Value as Json, value::RawValue};

/// The type of a column's values.
pub(crate) struct ValueType {
    /// The type of the value, or of its elements if it is an array.
    pub(crate) element: ArrayType,
    pub(crate) is_array: bool,
}

const UNKNOWN_TYPE: &str = "its type is not known to this version";
const WRONG_TYPE: &str = "it is of another type";

/// Writes a value as JSON, in one call of `output`.
///
/// # Errors
/// Why it cannot be written.
pub(crate) fn write(value: &Value, output: &mut dyn FnMut(&str)) -> Result<(), &'static str> {
    match value {
        // The most frequent types need no intermediate `serde_json::Value`.
        Value::Int(Some(v)) => output(&v.to_string()),
        Value::BigInt(Some(v)) => output(&v.to_string()),
        Value::Bool(Some(v)) => output(if *v { "true" } else { "false" }),
        Value::String(Some(v)) => output(&Json::from(v.as_str()).to_string()),
        Value::Bytes(Some(bytes)) => {
            use std::fmt::Write;

            let mut text = String::with_capacity(2 * bytes.len() + 5);
            text.push_str("\"\\\\x");
            for byte in bytes {
                // Writing to a `String` cannot fail.
                _ = write!(text, "{byte:02x}");
            }
            text.push('"');
            output(&text);
        }
        Value::Float(Some(v)) if !v.is_finite() => output(not_finite((*v).into())),
        Value::Double(Some(v)) if !v.is_finite() => output(not_finite(*v)),
        Value::Enum(OptionEnum::Some(v)) => output(&Json::from(&*v.value).to_string()),
        Value::Enum(OptionEnum::None(_)) => output("null"),
        other => {
            let tagged = serde_json::to_value(other).map_err(|_| UNKNOWN_TYPE)?;
            output(&untagged(tagged).ok_or(UNKNOWN_TYPE)?.to_string());
        }
    }
    Ok(())
}

fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "\"Infinity\"",
        f64::NEG_INFINITY => "\"-Infinity\"",
        _ => "\"NaN\"",
    }
}

/// Removes the types that SeaQuery adds: turns `{"Int":5}` into `5`, and
/// `{"Array":["Int",[{"Int":5}]]}` into `[5]`.
fn untagged(tagged: Json) -> Option<Json> {
    let Json::Object(object) = tagged else {
        return None;
    };
    let (tag, value) = object.into_iter().next()?;
    match (tag.as_str(), value) {
        ("Array", Json::Array(mut parts)) => match parts.pop()? {
            Json::Array(elements) => elements
                .into_iter()
                .map(untagged)
                .collect::<Option<_>>()
                .map(Json::Array),
            null => Some(null),
        },
        (_, value) => Some(value),
    }
}

/// Parses a value. If the JSON is ambiguous, returns several candidates, the most likely first.
///
/// # Errors
/// Why it cannot be parsed.
pub(crate) fn read(json: &str, value_type: &ValueType) -> Result<Vec<Value>, &'static str> {
    if value_type.is_array {
        let elements: Option<Vec<&RawValue>> =
            serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
        let elements = elements.map(|elements| {
            elements
                .into_iter()
                .map(|json| tagged(json.get(), &value_type.element))
                .collect::<Result<Vec<_>, _>>()
        });
        let parts = (to_json(&value_type.element)?, elements.transpose()?);
        let array = Json::Object(Map::from_iter([("Array".to_owned(), to_json(&parts)?)]));
        return Ok(vec![serde_json::from_value(array).map_err(|_| WRONG_TYPE)?]);
    }
    let value = match (&value_type.element, json.as_bytes()) {
        (ArrayType::Enum(name), _) => {
            let text: Option<String> = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            let type_name = (**name).clone();
            Value::Enum(match text {
                Some(value) => OptionEnum::Some(Box::new(Enum {
                    type_name,
                    value: value.into(),
                })),
                None => OptionEnum::None(type_name),
            })
        }
        (ArrayType::Bytes, [b'"', ..]) => {
            let text: String = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            Value::Bytes(Some(bytes(&text).ok_or(WRONG_TYPE)?))
        }
        (ArrayType::Float, [b'"', ..]) => {
            let text: &str = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            Value::Float(Some(text.parse().map_err(|_| WRONG_TYPE)?))
        }
        (ArrayType::Double, [b'"', ..]) => {
            let text: &str = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            Value::Double(Some(text.parse().map_err(|_| WRONG_TYPE)?))
        }
        (element, _) => serde_json::from_value(tagged(json, element)?).map_err(|_| WRONG_TYPE)?,
    };
    if json == "null" && value_type.element == ArrayType::Json {
        // Either NULL, or JSON's null if the column cannot be NULL.
        return Ok(vec![value, Json::Null.into()]);
    }
    Ok(vec![value])
}

fn to_json(value: &impl serde::Serialize) -> Result<Json, &'static str> {
    serde_json::to_value(value).map_err(|_| UNKNOWN_TYPE)
}

/// Adds the type to a value, in the form that SeaQuery deserializes: turns `5` into `{"Int":5}`.
fn tagged(json: &str, element: &ArrayType) -> Result<Json, &'static str> {
    let Json::String(tag) = to_json(element)? else {
        return Err(UNKNOWN_TYPE);
    };
    let mut value: Json = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    // PostgreSQL writes a decimal as a number. Parsed as a number, it would be rounded.
    if value.is_number() && tag.ends_with("Decimal") {
        value = Json::String(json.to_owned());
    }
    Ok(Json::Object(Map::from_iter([(tag, value)])))
}

/// Parses bytes in hexadecimal, such as `\x686a`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.strip_prefix("\\x")?
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}
