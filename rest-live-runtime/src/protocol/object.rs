//! A request as JSON: an object whose values are looked at only when they are asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use super::{code::ErrorCode, refusal::Refusal};

/// The entries of an object, not yet parsed. What is nested ever so deeply in a value that nobody
/// asks for is passed over without recursion.
#[derive(Debug)]
pub(crate) struct Object<'t>(BTreeMap<String, &'t RawValue>);

impl<'t> Object<'t> {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is not JSON, or no object.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Refusal> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| malformed(&e))?;
        if !raw.get().starts_with('{') {
            return Err(Refusal::shape(
                r#"a request is a JSON object, such as {"model":"todolist.Task","pk":1}"#,
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

    /// Takes out a string that must be there. `example` shows one.
    pub(crate) fn take_string(&mut self, key: &str, example: &str) -> Result<String, Refusal> {
        match self.take(key)? {
            Some(Value::String(string)) => Ok(string),
            Some(_) => Err(Refusal::shape(format!(
                "`{key}` is a string, such as {example:?}"
            ))),
            None => Err(Refusal::shape(format!("`{key}` is missing"))),
        }
    }

    /// Takes out an object that may be left out.
    pub(crate) fn take_object(&mut self, key: &str) -> Result<Option<Map<String, Value>>, Refusal> {
        match self.take(key)? {
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(Refusal::shape(format!("`{key}` is an object"))),
        }
    }

    /// Returns the entries that are left.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, &'t RawValue)> {
        self.0.into_iter()
    }
}

/// Parses a value.
pub(crate) fn value(raw: &RawValue) -> Result<Value, Refusal> {
    serde_json::from_str(raw.get()).map_err(|e| malformed(&e))
}

fn malformed(error: &serde_json::Error) -> Refusal {
    // serde_json's own words name a place in the client's text and nothing of ours.
    Refusal::new(
        ErrorCode::MalformedJson,
        format!("the message is not JSON: {error}"),
    )
}
