//! The content of a broadcast, for every dialect.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::data::{cursor::Cursor, event::Action, key::KeyValue};

/// A change, as the subscribers of one group see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcast<'a> {
    pub(crate) model: &'a str,
    pub(crate) group: GroupName<'a>,
    pub(crate) action: Action,
    /// The serialized row.
    pub(crate) payload: &'a RawValue,
    pub(crate) cursor: &'a Cursor,
    /// The end of its unit, if it does not stand alone. Only v1 shows it.
    pub(crate) unit: Option<&'a Cursor>,
}

/// A group, written as an object of its keys: `{"list_id":1}`, or `{}` for all rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupName<'a> {
    /// The names of the keys, in the order of the declaration.
    pub(crate) names: &'a [&'a str],
    /// The value of the only key, or a composite of the values of all keys.
    pub(crate) value: &'a KeyValue,
}

impl Serialize for GroupName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        match self.names {
            // The value of a composite primary key is an array.
            [name] => map.serialize_entry(name, self.value)?,
            _ => {
                for (name, value) in self.names.iter().zip(self.value.parts()) {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        map.end()
    }
}

/// Encodes a frame as JSON.
pub(crate) fn encode(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("strings, numbers and JSON are always JSON")
}
