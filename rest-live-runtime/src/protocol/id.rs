//! A client's name for a subscription.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{code::ErrorCode, object::Object, refusal::Refusal};

/// A number or a string, echoed with its JSON type. Numbers are echoed as they were written, also
/// those that no integer or float here could hold.
#[derive(Clone, Debug)]
pub(crate) struct Id(Arc<RawValue>);

impl Id {
    /// Takes the `id` out of a request; `None` where there is none, or `null`.
    ///
    /// # Errors
    /// When it is something else, or longer than `most` bytes.
    pub(crate) fn take(object: &mut Object<'_>, most: usize) -> Result<Option<Self>, Refusal> {
        let refused = || {
            Refusal::new(
                ErrorCode::BadId,
                format!("`id` is a number or a string of at most {most} bytes"),
            )
        };
        let Some(raw) = object.take_raw("id") else {
            return Ok(None);
        };
        let (length, raw) = match raw.get().as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b'-' | b'0'..=b'9') => (raw.get().len(), raw.to_owned()),
            // Written anew, for a string can be written in many ways and is one all the same.
            Some(b'"') => {
                let string: String = serde_json::from_str(raw.get()).map_err(|_| refused())?;
                let raw = to_raw_value(&string).map_err(|_| refused())?;
                (string.len(), raw)
            }
            _ => return Err(refused()),
        };
        if length > most {
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
