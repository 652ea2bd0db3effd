//! Reads the value of a column from JSON.

use std::collections::HashMap;

use sea_orm::{
    Value,
    sea_query::{ArrayType, Enum, OptionEnum},
};
use serde_json::{Number, Value as Json, value::RawValue};

use super::{
    EncodedBy, WRONG_TYPE,
    date_time::DateTime,
    decimal,
    tagged::Tagged,
    value_type::{Kind, ValueType},
};

/// Reads a value. JSON can be ambiguous, for example because a column's declared type does not say
/// whether it is an array, so several values may be passed to `accept`, the most likely first.
/// `accept` returns whether the column has taken the value.
///
/// # Errors
/// Why no value was taken.
pub(super) fn read(
    json: &str,
    value_type: &ValueType,
    encoded_by: EncodedBy,
    accept: &mut dyn FnMut(Value) -> bool,
) -> Result<(), &'static str> {
    let reader = Reader {
        value_type,
        encoded_by,
    };
    if json == "null" {
        // NULL, or JSON's null if the column cannot be NULL.
        let is_taken = accept(value_type.null()?)
            || reader.array(None, false).is_ok_and(&mut *accept)
            || (value_type.kind == Kind::Json && accept(Json::Null.into()));
        return is_taken.then_some(()).ok_or(WRONG_TYPE);
    }
    let is_array = json.starts_with('[');
    if (!is_array || matches!(value_type.kind, Kind::Json | Kind::Vector))
        && reader.scalar(json).is_ok_and(&mut *accept)
    {
        return Ok(());
    }
    if is_array {
        let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
        // An element `null` is NULL, or JSON's null if elements cannot be NULL.
        if accept(reader.array(Some(&elements), false)?)
            || (value_type.kind == Kind::Json && accept(reader.array(Some(&elements), true)?))
        {
            return Ok(());
        }
    }
    Err(WRONG_TYPE)
}

struct Reader<'a> {
    value_type: &'a ValueType,
    encoded_by: EncodedBy,
}

impl Reader<'_> {
    fn scalar(&self, json: &str) -> Result<Value, &'static str> {
        match &self.value_type.kind {
            Kind::Text => Ok(Value::String(Some(text(json)?))),
            Kind::Bytes => Ok(Value::Bytes(Some(self.bytes(json)?))),
            Kind::Float => Ok(Value::Float(Some(number(json)?))),
            Kind::Double => Ok(Value::Double(Some(number(json)?))),
            Kind::Enum(name) => Ok(Value::Enum(OptionEnum::Some(Box::new(Enum {
                type_name: name.clone(),
                value: text(json)?.into(),
            })))),
            _ => Tagged::one(&self.value_type.tag, self.content(json)?).into_value(),
        }
    }

    fn array(
        &self,
        elements: Option<&[&RawValue]>,
        is_null_present: bool,
    ) -> Result<Value, &'static str> {
        let value_type = self.value_type;
        let element_type = match &value_type.kind {
            Kind::Enum(name) => serde_json::to_value(ArrayType::Enum(Box::new(name.clone())))
                .map_err(|_| WRONG_TYPE)?,
            _ => Json::from(&*value_type.tag),
        };
        let elements = match elements {
            None => Json::Null.into(),
            Some(elements) => Tagged::List(
                elements
                    .iter()
                    .map(|json| {
                        let element = match json.get() {
                            "null" if is_null_present => Tagged::Present(Json::Null),
                            json => self.element(json)?,
                        };
                        Ok(Tagged::one(&value_type.tag, element))
                    })
                    .collect::<Result<_, &'static str>>()?,
            ),
        };
        Tagged::one("Array", Tagged::List(vec![element_type.into(), elements])).into_value()
    }

    fn element(&self, json: &str) -> Result<Tagged, &'static str> {
        // SeaQuery panics if an element is no variant of the application's enumeration.
        if let Some(choices) = &self.value_type.choices
            && let Some(element) = text_or_null(json)?
            && !choices.iter().any(|choice| **choice == *element)
        {
            return Err("an element is no variant of its enumeration");
        }
        if let Kind::Enum(name) = &self.value_type.kind {
            let json = match text_or_null(json)? {
                Some(value) => serde_json::json!({"Some": {"type_name": &**name, "value": value}}),
                None => serde_json::json!({"None": &**name}),
            };
            return Ok(json.into());
        }
        if json == "null" {
            return Ok(Json::Null.into());
        }
        self.content(json)
    }

    /// Returns what SeaQuery deserializes after the tag of the type.
    fn content(&self, json: &str) -> Result<Tagged, &'static str> {
        let is_text = json.starts_with('"');
        let by_trigger = self.encoded_by == EncodedBy::Trigger;
        let content = match self.value_type.kind {
            Kind::Float => return Ok(Tagged::Float(number::<f32>(json)?.into())),
            Kind::Double => return Ok(Tagged::Float(number(json)?)),
            // A trigger quotes types of which PostgreSQL does not know that they are numbers.
            Kind::Integer => parse(unquoted(json))?,
            // A trigger writes a number. Parsed as a number, it would be rounded.
            Kind::Decimal if by_trigger => decimal::of_rust_decimal(unquoted(json))
                .ok_or(WRONG_TYPE)?
                .into(),
            Kind::BigDecimal if by_trigger => decimal::of_big_decimal(unquoted(json))
                .ok_or(WRONG_TYPE)?
                .into(),
            Kind::Decimal | Kind::BigDecimal => unquoted(json).into(),
            Kind::Chrono if by_trigger => self.date_time(&text(json)?)?.to_string().into(),
            Kind::Time => self
                .date_time(&text(json)?)?
                .to_numbers(&self.value_type.tag)
                .ok_or(WRONG_TYPE)?,
            // A trigger writes pgvector's text, such as "[1,2]".
            Kind::Vector => {
                let text = if is_text {
                    text(json)?
                } else {
                    json.to_owned()
                };
                return vector(&text);
            }
            Kind::Bytes => self.bytes(json)?.into_iter().map(Json::from).collect(),
            Kind::Json if !by_trigger => exact(json)?,
            _ => parse(json)?,
        };
        Ok(content.into())
    }

    fn bytes(&self, json: &str) -> Result<Vec<u8>, &'static str> {
        let text = text(json)?;
        let bytes = match text.strip_prefix("\\x") {
            Some(hexadecimal) => from_hexadecimal(hexadecimal),
            // A trigger writes what the session's `bytea_output` says.
            None if self.encoded_by == EncodedBy::Trigger => from_escaped(text.as_bytes()),
            None => None,
        };
        bytes.ok_or(WRONG_TYPE)
    }

    fn date_time(&self, text: &str) -> Result<DateTime, &'static str> {
        let date_time = DateTime::parse(text).ok_or(WRONG_TYPE)?;
        // A trigger writes the offset of the session that wrote the row, but sqlx reads UTC.
        if self.encoded_by == EncodedBy::Trigger && self.value_type.has_time_zone() {
            return date_time.to_utc().ok_or(WRONG_TYPE);
        }
        Ok(date_time)
    }
}

fn parse(json: &str) -> Result<Json, &'static str> {
    serde_json::from_str(json).map_err(|_| WRONG_TYPE)
}

/// Parses a JSON text.
fn text(json: &str) -> Result<String, &'static str> {
    serde_json::from_str(json).map_err(|_| WRONG_TYPE)
}

fn text_or_null(json: &str) -> Result<Option<String>, &'static str> {
    serde_json::from_str(json).map_err(|_| WRONG_TYPE)
}

/// Returns the content of a text that needs no escapes, or the JSON itself if it is no text.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"')
        .and_then(|json| json.strip_suffix('"'))
        .unwrap_or(json)
}

/// Parses a floating-point number. `serde_json` would round it to a neighbor.
fn number<T: std::str::FromStr>(json: &str) -> Result<T, &'static str> {
    unquoted(json).parse().map_err(|_| WRONG_TYPE)
}

/// Parses JSON that a server wrote. The numbers are exactly those that were written: `serde_json`
/// alone would round some of them to a neighbor.
///
/// This must not be used for JSON that a trigger wrote, because SeaORM reads the same text from the
/// column with `serde_json`.
fn exact(json: &str) -> Result<Json, &'static str> {
    let mut value = parse(json)?;
    if has_float(&value) {
        let rounded = value.to_string();
        if rounded != json {
            correct(&mut value, json)?;
        }
    }
    Ok(value)
}

fn has_float(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_f64(),
        Json::Array(list) => list.iter().any(has_float),
        Json::Object(object) => object.values().any(has_float),
        _ => false,
    }
}

fn correct(value: &mut Json, json: &str) -> Result<(), &'static str> {
    match value {
        Json::Number(number) if number.is_f64() => {
            *number = json
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .ok_or(WRONG_TYPE)?;
        }
        Json::Array(list) => {
            let texts: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            for (value, text) in list.iter_mut().zip(texts) {
                correct(value, text.get())?;
            }
        }
        Json::Object(object) => {
            let texts: HashMap<String, &RawValue> =
                serde_json::from_str(json).map_err(|_| WRONG_TYPE)?;
            for (name, value) in object.iter_mut() {
                correct(value, texts.get(name).ok_or(WRONG_TYPE)?.get())?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn vector(text: &str) -> Result<Tagged, &'static str> {
    let list = text
        .trim()
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or(WRONG_TYPE)?;
    let numbers = list.split(',').filter(|number| !number.is_empty());
    let numbers: Result<Vec<_>, _> = numbers
        .map(|number| number.trim().parse::<f32>())
        .map(|number| number.map(|number| Tagged::Float(number.into())))
        .collect();
    numbers.map(Tagged::List).map_err(|_| WRONG_TYPE)
}

/// Parses bytes in hexadecimal, such as `686a`.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// Parses bytes in the older format of PostgreSQL, such as `h\\\000`.
fn from_escaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let (byte, length) = match rest {
            _ if *first != b'\\' => (*first, 0),
            [b'\\', ..] => (b'\\', 1),
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), 3)
            }
            _ => return None,
        };
        bytes.push(byte);
        text = &rest[length..];
    }
    Some(bytes)
}
