//! The values of a key whose type is an enumeration.
//!
//! Only the type of a field shows that its column holds the values of a `DeriveActiveEnum`: the
//! column itself is a text or an integer. So generated code asks the type, through the methods of
//! three traits. The compiler takes the first one that applies (autoref specialization).

use std::{fmt, marker::PhantomData};

use sea_orm::{ActiveEnum, Value};

/// The type of a field of a model.
pub struct FieldType<T>(PhantomData<fn() -> T>);

impl<T> FieldType<T> {
    /// Creates the type `T`.
    #[expect(clippy::new_without_default, reason = "generated code names the type")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Creates the type of the field that a function returns.
    pub const fn of<M>(_field: fn(&M) -> &T) -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for FieldType<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldType")
    }
}

/// Returns the values of an enumeration, or `None` for a [`FieldType`] of another type.
#[doc(hidden)]
#[macro_export]
macro_rules! __choices {
    ($field:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::{AnyChoices as _, EnumChoices as _, OptionChoices as _};
        (&&&$field).choices()
    }};
}

/// An enumeration.
pub trait EnumChoices {
    /// Returns its values.
    fn choices(&self) -> Option<Vec<Value>>;
}

impl<T: ActiveEnum> EnumChoices for &&FieldType<T> {
    fn choices(&self) -> Option<Vec<Value>> {
        Some(T::values().into_iter().map(Into::into).collect())
    }
}

/// An enumeration in an `Option`.
pub trait OptionChoices {
    /// Returns its values.
    fn choices(&self) -> Option<Vec<Value>>;
}

impl<T: ActiveEnum> OptionChoices for &FieldType<Option<T>> {
    fn choices(&self) -> Option<Vec<Value>> {
        Some(T::values().into_iter().map(Into::into).collect())
    }
}

/// Any type.
pub trait AnyChoices {
    /// Returns `None`: the values are not known.
    fn choices(&self) -> Option<Vec<Value>>;
}

impl<T> AnyChoices for FieldType<T> {
    fn choices(&self) -> Option<Vec<Value>> {
        None
    }
}
