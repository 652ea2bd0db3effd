//! The application's row filters, type-erased.
//!
//! A filter is a pure function of the row. A row that does not pass is in none of its serializer's
//! groups. The dispatcher asks it once for each row of a change, not for each subscriber.

use std::{fmt, sync::Arc};

use sea_orm::ModelTrait;

use crate::{
    data::event::Row,
    user_code::{self, UserPanic},
};

type FilterFn = dyn Fn(&Row) -> bool + Send + Sync;

/// A `filter` function, type-erased.
#[derive(Clone)]
pub struct Filter(Arc<FilterFn>);

impl Filter {
    /// Erases the type of a `filter` function.
    pub fn of<M: ModelTrait + Sync + 'static>(filter: fn(&M) -> bool) -> Self {
        Self(Arc::new(move |row| row.downcast().is_some_and(filter)))
    }

    /// Returns whether the row passes.
    ///
    /// # Errors
    /// The function panicked.
    pub(crate) fn passes(&self, row: &Row) -> Result<bool, UserPanic> {
        user_code::call(|| (self.0)(row))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(..)")
    }
}
