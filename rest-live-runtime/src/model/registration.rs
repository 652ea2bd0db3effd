//! A registered serializer, in the form that the macro links into the program.

use std::fmt;

use super::{
    declaration::Subscribable,
    description::{SerializerDescription, describe},
};

/// A registered serializer: linked into the program by the macro, or passed to
/// [`LiveBuilder::register`](crate::LiveBuilder::register).
#[derive(Clone, Copy)]
pub struct Registration(fn() -> SerializerDescription);

inventory::collect!(Registration);

impl Registration {
    /// Creates the registration of a serializer.
    pub const fn of<S: Subscribable>() -> Self {
        Self(describe::<S>)
    }

    pub(crate) fn describe(self) -> SerializerDescription {
        (self.0)()
    }

    /// Returns the registrations that are linked into this program, in no particular order.
    pub(crate) fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<Self>().copied()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.describe().serializer.name)
    }
}
