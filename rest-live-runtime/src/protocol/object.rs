//! A request as a JSON object whose values are parsed only on demand.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use super::{code::ErrorCode, refusal::Refusal};

/// The unparsed entries of an object.
///
/// A value that is never requested is skipped without recursion, so its nesting can have any depth.
#[derive(Debug)]
pub(crate) struct Object<'t>(BTreeMap<String, &'t RawValue>);

impl<'t> Object<'t> {
    /// Parses a message.
    ///
    /// # Errors
    /// The message is not JSON, or not an object.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Refusal> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| malformed(&e))?;
        if !raw.get().starts_with('{') {
            return Err(Refusal::shape(
                r#"a request must be a JSON object, such as {"model":"todolist.Task","pk":1}"#,
            ));
        }
        serde_json::from_str(raw.get())
            .map(Self)
            .map_err(|e| malformed(&e))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn take_raw(&mut self, key: &str) -> Option<&'t RawValue> {
        self.0.remove(key)
    }

    pub(crate) fn take(&mut self, key: &str) -> Result<Option<Value>, Refusal> {
        self.take_raw(key).map(value).transpose()
    }

    /// Takes out a required string. `example` shows one in the error.
    pub(crate) fn take_string(&mut self, key: &str, example: &str) -> Result<String, Refusal> {
        match self.take(key)? {
            Some(Value::String(string)) => Ok(string),
            Some(_) => Err(Refusal::shape(format!(
                "`{key}` must be a string, such as {example:?}"
            ))),
            None => Err(Refusal::shape(format!("`{key}` is missing"))),
        }
    }

    /// Takes out an optional object.
    pub(crate) fn take_object(&mut self, key: &str) -> Result<Option<Map<String, Value>>, Refusal> {
        match self.take(key)? {
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(Refusal::shape(format!("`{key}` must be an object"))),
        }
    }

    /// Returns the remaining entries.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, &'t RawValue)> {
        self.0.into_iter()
    }
}

/// Parses a value.
pub(crate) fn value(raw: &RawValue) -> Result<Value, Refusal> {
    serde_json::from_str(raw.get()).map_err(|e| malformed(&e))
}

fn malformed(error: &serde_json::Error) -> Refusal {
    // serde_json's text contains a position in the client's message, and nothing internal.
    Refusal::new(
        ErrorCode::MalformedJson,
        format!("the message is not JSON: {error}"),
    )
}
