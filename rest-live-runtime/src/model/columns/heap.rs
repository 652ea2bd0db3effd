//! How many bytes a value takes on the heap.

use std::{any::Any, io};

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

/// Returns how many bytes a field of a model takes on the heap, without cloning it. Returns `None`
/// for a type that is not known here.
pub fn heap_bytes<T: 'static>(field: &T) -> Option<usize> {
    /// Compares the types in turn, which the compiler does when it knows `T`.
    macro_rules! measure {
        ($($known:ty: |$value:ident| $bytes:expr;)*) => {$(
            if let Some($value) = (field as &dyn Any).downcast_ref::<$known>() {
                return Some($bytes);
            }
            if let Some(option) = (field as &dyn Any).downcast_ref::<Option<$known>>() {
                return Some(option.as_ref().map_or(0, |$value| $bytes));
            }
        )*};
    }

    measure! {
        String: |text| text.capacity();
        Vec<u8>: |bytes| bytes.capacity();
        Vec<i32>: |numbers| size_of_val(&numbers[..]);
        Vec<i64>: |numbers| size_of_val(&numbers[..]);
        Vec<f32>: |numbers| size_of_val(&numbers[..]);
        Vec<f64>: |numbers| size_of_val(&numbers[..]);
        Vec<String>: |texts| {
            texts.iter().map(|text| size_of::<String>() + text.capacity()).sum()
        };
        Json: |json| json_bytes(json) - size_of::<Json>();
    }
    None
}
