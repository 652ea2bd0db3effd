//! One column's value as JSON.

use sea_orm::{
    Value,
    sea_query::{ArrayType, Enum, OptionEnum},
};
use serde_json::{Map, Value as Json, value::RawValue};

/// What a column holds.
pub(crate) struct Kind {
    pub(crate) value: ArrayType,
    /// Of an array it is the type of the elements.
    pub(crate) is_array: bool,
}

const NOT_KNOWN: &str = "its type is not known to this version";

/// Writes a value.
///
/// # Errors
/// Why it cannot be written.
pub(crate) fn write(value: &Value, to: &mut dyn FnMut(&str)) -> Result<(), &'static str> {
    match value {
        // Those that are sent most, without a detour.
        Value::Int(Some(v)) => to(&v.to_string()),
        Value::BigInt(Some(v)) => to(&v.to_string()),
        Value::Bool(Some(v)) => to(if *v { "true" } else { "false" }),
        Value::String(Some(v)) => to(&Json::from(v.as_str()).to_string()),
        Value::Bytes(Some(bytes)) => {
            use std::fmt::Write;

            let mut text = String::with_capacity(2 * bytes.len() + 5);
            text.push_str("\"\\\\x");
            for byte in bytes {
                // Writing to a String does not fail.
                _ = write!(text, "{byte:02x}");
            }
            text.push('"');
            to(&text);
        }
        Value::Float(Some(v)) if !v.is_finite() => to(not_finite((*v).into())),
        Value::Double(Some(v)) if !v.is_finite() => to(not_finite(*v)),
        Value::Enum(OptionEnum::Some(v)) => to(&Json::from(&*v.value).to_string()),
        Value::Enum(OptionEnum::None(_)) => to("null"),
        other => {
            let tagged = serde_json::to_value(other).map_err(|_| NOT_KNOWN)?;
            to(&untagged(tagged).ok_or(NOT_KNOWN)?.to_string());
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

/// Takes `{"Int":5}` for `5`, and an array's `{"Array":["Int",[{"Int":5}]]}` for `[5]`.
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

/// Reads a value: the likeliest first, where there are several.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn read(json: &str, kind: &Kind) -> Result<Vec<Value>, &'static str> {
    const WRONG: &str = "it is of another type";
    if kind.is_array {
        let elements: Option<Vec<&RawValue>> = serde_json::from_str(json).map_err(|_| WRONG)?;
        let elements = elements.map(|elements| {
            let tagged = elements
                .into_iter()
                .map(|json| tagged(json.get(), &kind.value));
            tagged.collect::<Result<Vec<_>, _>>()
        });
        let element_type = serde_json::to_value(&kind.value).map_err(|_| NOT_KNOWN)?;
        let parts = (element_type, elements.transpose()?);
        let array = Json::Object(Map::from_iter([("Array".to_owned(), to_json(&parts)?)]));
        return Ok(vec![serde_json::from_value(array).map_err(|_| WRONG)?]);
    }
    let value = match (&kind.value, json.as_bytes()) {
        (ArrayType::Enum(name), _) => {
            let text: Option<String> = serde_json::from_str(json).map_err(|_| WRONG)?;
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
            let text: String = serde_json::from_str(json).map_err(|_| WRONG)?;
            Value::Bytes(Some(bytes(&text).ok_or(WRONG)?))
        }
        (ArrayType::Float, [b'"', ..]) => {
            let text: &str = serde_json::from_str(json).map_err(|_| WRONG)?;
            Value::Float(Some(text.parse().map_err(|_| WRONG)?))
        }
        (ArrayType::Double, [b'"', ..]) => {
            let text: &str = serde_json::from_str(json).map_err(|_| WRONG)?;
            Value::Double(Some(text.parse().map_err(|_| WRONG)?))
        }
        (kind, _) => serde_json::from_value(tagged(json, kind)?).map_err(|_| WRONG)?,
    };
    if json == "null" && kind.value == ArrayType::Json {
        // NULL, or JSON's null where the column cannot be NULL.
        return Ok(vec![value, Json::Null.into()]);
    }
    Ok(vec![value])
}

fn to_json(value: &impl serde::Serialize) -> Result<Json, &'static str> {
    serde_json::to_value(value).map_err(|_| NOT_KNOWN)
}

/// Returns a value as SeaQuery's serde has it.
fn tagged(json: &str, kind: &ArrayType) -> Result<Json, &'static str> {
    let tag = match to_json(kind)? {
        Json::String(tag) => tag,
        _ => return Err(NOT_KNOWN),
    };
    let mut value: Json = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    // PostgreSQL writes a decimal as a number; read as one, it would be rounded.
    if value.is_number() && tag.ends_with("Decimal") {
        value = Json::String(json.to_owned());
    }
    Ok(Json::Object(Map::from_iter([(tag, value)])))
}

/// Reads `\x686a`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}
