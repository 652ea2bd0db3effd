//! The types in which an `authorize` can take the value of a group.

use sea_orm::prelude::Uuid;

use crate::data::key::{KeyKind, KeyValue};

/// A type in which an `authorize` function can take the value of a group.
///
/// | group | type |
/// |---|---|
/// | one column | an integer, `String`, `bool` or [`Uuid`] |
/// | several columns, or a composite primary key | a tuple of these, in their order |
/// | `all` rows | `()` |
/// | any | [`KeyValue`] |
///
/// A tuple can have up to eight values.
#[diagnostic::on_unimplemented(
    message = "`authorize` cannot take the value of a group as `{Self}`",
    note = "take an integer, `String`, `bool`, `Uuid`, a tuple of them for several columns, `()` for all rows, or `rest_live::auth::KeyValue`"
)]
pub trait FromKey: Sized {
    /// Returns whether every value of this kind can be converted to `Self`.
    fn takes(kind: &KeyKind) -> bool;

    /// Converts the value, or returns `None` if it has another type or is out of range.
    fn from_key(value: &KeyValue) -> Option<Self>;
}

macro_rules! integer_from_key {
    ($($integer:ty)*) => {$(
        impl FromKey for $integer {
            fn takes(kind: &KeyKind) -> bool {
                let range = i128::from(Self::MIN)..=i128::from(Self::MAX);
                match kind {
                    KeyKind::Integer { min, max } => range.contains(min) && range.contains(max),
                    KeyKind::Choice(choices) => choices.iter().all(
                        |choice| matches!(choice, KeyValue::Integer(value) if range.contains(value)),
                    ),
                    _ => false,
                }
            }

            fn from_key(value: &KeyValue) -> Option<Self> {
                match value {
                    KeyValue::Integer(value) => Self::try_from(*value).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integer_from_key!(i8 i16 i32 i64 u8 u16 u32 u64 i128);

impl FromKey for bool {
    fn takes(kind: &KeyKind) -> bool {
        matches!(kind, KeyKind::Bool)
    }

    fn from_key(value: &KeyValue) -> Option<Self> {
        match value {
            KeyValue::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromKey for String {
    fn takes(kind: &KeyKind) -> bool {
        match kind {
            KeyKind::Text => true,
            KeyKind::Choice(choices) => choices
                .iter()
                .all(|choice| matches!(choice, KeyValue::Text(_))),
            _ => false,
        }
    }

    fn from_key(value: &KeyValue) -> Option<Self> {
        match value {
            KeyValue::Text(value) => Some(value.as_ref().to_owned()),
            _ => None,
        }
    }
}

impl FromKey for Uuid {
    fn takes(kind: &KeyKind) -> bool {
        matches!(kind, KeyKind::Uuid)
    }

    fn from_key(value: &KeyValue) -> Option<Self> {
        match value {
            KeyValue::Uuid(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromKey for KeyValue {
    fn takes(_: &KeyKind) -> bool {
        true
    }

    fn from_key(value: &KeyValue) -> Option<Self> {
        Some(value.clone())
    }
}

macro_rules! tuple_from_key {
    ($($part:ident)*) => {
        impl<$($part: FromKey),*> FromKey for ($($part,)*) {
            fn takes(kind: &KeyKind) -> bool {
                const PARTS: usize = [$(stringify!($part)),*].len();
                match kind {
                    KeyKind::Composite(kinds) if kinds.len() == PARTS => {
                        let mut kinds = kinds.iter();
                        $(kinds.next().is_some_and($part::takes))&&*
                    }
                    _ => false,
                }
            }

            fn from_key(value: &KeyValue) -> Option<Self> {
                match value {
                    KeyValue::Composite(values) => {
                        let mut values = values.iter();
                        Some(($($part::from_key(values.next()?)?,)*))
                    }
                    _ => None,
                }
            }
        }
    };
}

tuple_from_key!(A B);
tuple_from_key!(A B C);
tuple_from_key!(A B C D);
tuple_from_key!(A B C D E);
tuple_from_key!(A B C D E F);
tuple_from_key!(A B C D E F G);
tuple_from_key!(A B C D E F G H);

impl FromKey for () {
    fn takes(kind: &KeyKind) -> bool {
        matches!(kind, KeyKind::Composite(kinds) if kinds.is_empty())
    }

    fn from_key(value: &KeyValue) -> Option<Self> {
        match value {
            KeyValue::Composite(values) if values.is_empty() => Some(()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ColumnType;

    use super::*;

    fn kind(column: &ColumnType) -> KeyKind {
        KeyKind::of(column).expect("a key kind")
    }

    #[test]
    fn a_type_takes_a_kind_if_every_value_fits() {
        assert!(i32::takes(&kind(&ColumnType::Integer)));
        assert!(i64::takes(&kind(&ColumnType::Integer)));
        assert!(!i16::takes(&kind(&ColumnType::Integer)));
        assert!(!u32::takes(&kind(&ColumnType::Integer)));
        assert!(String::takes(&kind(&ColumnType::Text)));
        assert!(!String::takes(&kind(&ColumnType::Uuid)));
        let pair = KeyKind::Composite([kind(&ColumnType::Integer), kind(&ColumnType::Text)].into());
        assert!(<(i32, String)>::takes(&pair));
        assert!(!<(i32, i32)>::takes(&pair));
        assert!(!<(i32, String, i32)>::takes(&pair));
        assert!(KeyValue::takes(&pair));
    }

    #[test]
    fn values_are_converted_or_refused() {
        let pair = KeyValue::Composite([KeyValue::Integer(7), KeyValue::Text("a".into())].into());
        assert_eq!(<(i32, String)>::from_key(&pair), Some((7, "a".to_owned())));
        assert_eq!(i32::from_key(&KeyValue::Integer(1 << 40)), None);
        assert_eq!(bool::from_key(&KeyValue::Integer(1)), None);
    }
}
