//! How many bytes a value takes on the heap.

use std::io;

use sea_orm::Value;
use serde_json::Value as Json;

/// What an element of a map of JSON takes beside its key and its value.
const MAP_ENTRY_BYTES: usize = 32;

/// Returns how many bytes a value takes on the heap. A type that is not known here counts as
/// nothing: it is small, or of a fixed size.
pub(super) fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        Value::Json(Some(json)) => json_bytes(json),
        _ => 0,
    }
}

/// Returns about how many bytes an array takes on the heap. SeaQuery has the variant only with a
/// feature of the application, so its text is measured.
pub(super) fn array_bytes(array: &Value) -> usize {
    let mut length = Length(0);
    // It always succeeds: `Length` returns no error.
    _ = serde_json::to_writer(&mut length, array);
    length.0
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json_bytes(json: &Json) -> usize {
    let own = match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(elements) => elements.iter().map(json_bytes).sum(),
        Json::Object(entries) => entries
            .iter()
            .map(|(key, value)| MAP_ENTRY_BYTES + key.len() + json_bytes(value))
            .sum(),
    };
    size_of::<Json>() + own
}

/// A field of a model, which generated code measures without cloning it.
///
/// `Heap(&row.text).bytes()` calls the method of the field's type. A type without one falls back to
/// [`AnyHeap`].
#[derive(Debug)]
pub struct Heap<'r, T>(pub &'r T);

/// The fallback for types that [`Heap`] does not know.
pub trait AnyHeap {
    /// Returns `None`.
    fn bytes(&self) -> Option<usize> {
        None
    }
}

impl<T> AnyHeap for Heap<'_, T> {}

macro_rules! heap {
    ($($field:ty: |$value:ident| $bytes:expr;)*) => {$(
        impl Heap<'_, $field> {
            /// Returns the number of bytes.
            pub fn bytes(&self) -> Option<usize> {
                let $value = self.0;
                Some($bytes)
            }
        }

        impl Heap<'_, Option<$field>> {
            /// Returns the number of bytes.
            pub fn bytes(&self) -> Option<usize> {
                Some(self.0.as_ref().map_or(0, |$value| $bytes))
            }
        }
    )*};
}

heap! {
    String: |text| text.capacity();
    Vec<u8>: |bytes| bytes.capacity();
    Vec<i32>: |numbers| numbers.capacity() * size_of::<i32>();
    Vec<i64>: |numbers| numbers.capacity() * size_of::<i64>();
    Vec<f32>: |numbers| numbers.capacity() * size_of::<f32>();
    Vec<f64>: |numbers| numbers.capacity() * size_of::<f64>();
    Vec<String>: |texts| {
        texts.iter().map(|text| size_of::<String>() + text.capacity()).sum()
    };
    Json: |json| json_bytes(json) - size_of::<Json>();
}
