//! The id that a client chooses for a subscription.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{code::ErrorCode, object::Object, refusal::Refusal};

/// A number or a string, which the server echoes with its JSON type.
///
/// A number is echoed as it was written, even if no integer or float type can hold it.
#[derive(Clone, Debug)]
pub(crate) struct Id(Arc<RawValue>);

impl Id {
    /// Takes the `id` out of a request. Returns `None` if it is missing or `null`.
    ///
    /// # Errors
    /// The id has another type, or is longer than `max_bytes`.
    pub(crate) fn take(object: &mut Object<'_>, max_bytes: usize) -> Result<Option<Self>, Refusal> {
        let refused = || {
            Refusal::new(
                ErrorCode::BadId,
                format!("`id` must be a number or a string of at most {max_bytes} bytes"),
            )
        };
        let Some(raw) = object.take_raw("id") else {
            return Ok(None);
        };
        let (length, raw) = match raw.get().as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b'-' | b'0'..=b'9') => (raw.get().len(), raw.to_owned()),
            // Normalized, because JSON has several spellings of one string.
            Some(b'"') => {
                let string: String = serde_json::from_str(raw.get()).map_err(|_| refused())?;
                let raw = to_raw_value(&string).map_err(|_| refused())?;
                (string.len(), raw)
            }
            _ => return Err(refused()),
        };
        if length > max_bytes {
            return Err(refused());
        }
        Ok(Some(Self(raw.into())))
    }

    /// Returns the id as JSON.
    pub(crate) fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_json().hash(state);
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
