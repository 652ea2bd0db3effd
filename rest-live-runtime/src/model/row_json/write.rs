//! Writes the value of a column as JSON.

use sea_orm::{
    Value,
    sea_query::{OptionEnum, PostgresQueryBuilder, QueryBuilder},
};
use serde_json::Value as Json;

use super::{UNKNOWN_TYPE, date_time::DateTime};

/// Writes a value as JSON, in one call of `output`.
///
/// # Errors
/// Why it cannot be written.
pub(super) fn write(value: &Value, output: &mut dyn FnMut(&str)) -> Result<(), &'static str> {
    match value {
        // The most frequent types need no intermediate `serde_json::Value`.
        Value::Int(Some(v)) => output(&v.to_string()),
        Value::BigInt(Some(v)) => output(&v.to_string()),
        Value::Bool(Some(v)) => output(if *v { "true" } else { "false" }),
        Value::String(Some(v)) => output(&Json::from(v.as_str()).to_string()),
        Value::Bytes(Some(bytes)) => output(&format!("\"\\{}\"", hexadecimal(bytes))),
        Value::Float(Some(v)) if !v.is_finite() => output(not_finite((*v).into())),
        Value::Double(Some(v)) if !v.is_finite() => output(not_finite(*v)),
        // The shortest text from which the same number is parsed.
        Value::Float(Some(v)) => output(&format!("{v:?}")),
        Value::Double(Some(v)) => output(&format!("{v:?}")),
        Value::Enum(OptionEnum::Some(v)) => output(&Json::from(&*v.value).to_string()),
        Value::Enum(OptionEnum::None(_)) => output("null"),
        other => {
            let tagged = serde_json::to_value(other).map_err(|_| UNKNOWN_TYPE)?;
            output(&untagged(tagged, other).ok_or(UNKNOWN_TYPE)?.to_string());
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
fn untagged(tagged: Json, value: &Value) -> Option<Json> {
    let (tag, content) = single_member(tagged)?;
    if tag != "Array" {
        return if is_decimal(&tag) && !content.is_null() {
            Some(literal(value).into())
        } else {
            scalar(&tag, content)
        };
    }
    let Json::Array(mut parts) = content else {
        return None;
    };
    let elements = parts.pop()?;
    let Json::Array(elements) = elements else {
        return Some(elements);
    };
    let element_tag = parts.pop()?;
    if matches!(
        element_tag.as_str(),
        Some("Float" | "Double" | "Decimal" | "BigDecimal")
    ) {
        return numbers(&literal(value), elements.len());
    }
    elements
        .into_iter()
        .map(|element| {
            let (tag, content) = single_member(element)?;
            scalar(&tag, content)
        })
        .collect::<Option<_>>()
        .map(Json::Array)
}

/// Returns bytes as PostgreSQL writes them, such as `\x686a`.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(2 * bytes.len() + 4);
    text.push_str("\\x");
    for byte in bytes {
        // Writing to a `String` cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

fn single_member(json: Json) -> Option<(String, Json)> {
    match json {
        Json::Object(object) => object.into_iter().next(),
        _ => None,
    }
}

fn scalar(tag: &str, content: Json) -> Option<Json> {
    match tag {
        "Enum" => enumeration(content),
        "Bytes" if !content.is_null() => {
            let bytes: Vec<u8> = serde_json::from_value(content).ok()?;
            Some(hexadecimal(&bytes).into())
        }
        _ if tag.starts_with("Time") && !content.is_null() => {
            let date_time = match &content {
                Json::String(text) => DateTime::parse(text),
                numbers => DateTime::from_numbers(tag, numbers),
            };
            Some(date_time?.to_string().into())
        }
        _ => Some(content),
    }
}

/// Reads `{"Some":{"type_name":"kind","value":"one"}}` or `{"None":"kind"}`.
fn enumeration(content: Json) -> Option<Json> {
    match single_member(content)? {
        (variant, Json::Object(mut object)) if variant == "Some" => object.remove("value"),
        _ => Some(Json::Null),
    }
}

fn is_decimal(tag: &str) -> bool {
    matches!(tag, "Decimal" | "BigDecimal")
}

/// Returns a number or an array of numbers as SQL. Features of the crates of decimals change what
/// `serde` writes, even to a rounded number, and `serde_json` writes NaN as `null`. The SQL of a
/// number is always exact.
fn literal(value: &Value) -> String {
    PostgresQueryBuilder.value_to_string(value)
}

/// Reads the SQL of an array of numbers.
fn numbers(sql: &str, count: usize) -> Option<Json> {
    if count == 0 {
        return Some(Json::Array(Vec::new()));
    }
    let (_, list) = sql.split_once('[')?;
    let (list, _) = list.split_once(']')?;
    let numbers: Vec<Json> = list
        .split(',')
        .map(|number| match number.trim() {
            "NULL" => Json::Null,
            "inf" => "Infinity".into(),
            "-inf" => "-Infinity".into(),
            number => number.into(),
        })
        .collect();
    (numbers.len() == count).then_some(Json::Array(numbers))
}
