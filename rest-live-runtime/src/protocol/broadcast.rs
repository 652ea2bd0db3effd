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

/// A group, written as an object of one key: `{"list_id":1}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupName<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a KeyValue,
}

impl Serialize for GroupName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
    }
}

/// Encodes a frame as JSON.
pub(crate) fn encode(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("strings, numbers and JSON are always JSON")
}
