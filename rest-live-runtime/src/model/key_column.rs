//! The kind of values of a key column, from its declared type and the type of its field.

use sea_orm::{
    ColumnTrait, ColumnType, EntityTrait, IdenStatic, ModelTrait, Value, sea_query::ArrayType,
};

use super::row_json::takes_vector;
use crate::data::key::{KeyKind, KeyValue};

/// Why a column cannot be a key.
#[derive(Clone, Debug)]
pub(crate) enum WrongKey {
    /// Its type cannot be a key. The text describes the column.
    Type(String),
    /// The entity declares another type than the model has.
    Mismatch {
        column: &'static str,
        declared: String,
        field: String,
    },
}

/// Returns the kind of a column's values. The field of the model decides, because rows are compared
/// as the model holds them.
pub(super) fn column_kind<E: EntityTrait>(column: E::Column) -> Result<KeyKind, WrongKey> {
    let def = column.def();
    let column_type = def.get_column_type();
    let name = column.as_str();
    if takes_vector::<E>(column) {
        return Err(WrongKey::Type(format!("`{name}` is a vector")));
    }
    let value_type = E::Model::get_value_type(column);
    let declared = KeyKind::of(column_type);
    let field = KeyKind::of_value(&value_type);
    match (declared, field) {
        (Some(declared @ KeyKind::Choice(_)), Some(KeyKind::Text)) => Ok(declared),
        (Some(declared), Some(field)) if declared.is_like(&field) => Ok(field),
        // The name of a type of the database does not show what it holds. MySQL stores a UUID in
        // 16 bytes.
        (_, Some(field)) if is_opaque(column_type, &field) => Ok(field),
        (None, _) => Err(WrongKey::Type(format!("`{name}` is {column_type:?}"))),
        (Some(_), None) if matches!(column_type, ColumnType::Custom(_)) => Err(WrongKey::Type(
            format!("`{name}` is {}", rust_type(&value_type)),
        )),
        (Some(_), _) => Err(WrongKey::Mismatch {
            column: name,
            declared: format!("{column_type:?}"),
            field: rust_type(&value_type),
        }),
    }
}

/// Returns whether a declared type does not determine the kind of the values.
fn is_opaque(column_type: &ColumnType, field: &KeyKind) -> bool {
    match column_type {
        ColumnType::Custom(_) => true,
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => {
            *field == KeyKind::Uuid
        }
        _ => false,
    }
}

/// Returns the name of the Rust type of a field.
fn rust_type(value_type: &ArrayType) -> String {
    let name = match value_type {
        ArrayType::Bool => "bool",
        ArrayType::TinyInt => "i8",
        ArrayType::SmallInt => "i16",
        ArrayType::Int => "i32",
        ArrayType::BigInt => "i64",
        ArrayType::TinyUnsigned => "u8",
        ArrayType::SmallUnsigned => "u16",
        ArrayType::Unsigned => "u32",
        ArrayType::BigUnsigned => "u64",
        ArrayType::Float => "f32",
        ArrayType::Double => "f64",
        ArrayType::Char => "char",
        ArrayType::Bytes => "Vec<u8>",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

/// Returns the kind with the values of an enumeration, if the type of the key is one.
pub(super) fn with_choices(kind: KeyKind, choices: fn() -> Option<Vec<Value>>) -> KeyKind {
    let values = choices().map(|values| values.iter().map(KeyValue::from_value).collect());
    match values {
        Some(Some(choices)) => KeyKind::Choice(choices),
        _ => kind,
    }
}
