//! Plain data that every other part of the runtime uses: row changes, keys, group ids and cursors.
//!
//! Nothing here uses tokio or does I/O.

pub(crate) mod cursor;
pub(crate) mod event;
pub(crate) mod group_id;
pub(crate) mod key;
pub(crate) mod random_name;
pub(crate) mod row_id;
pub(crate) mod scope;
pub(crate) mod scoped_model;
pub(crate) mod serializer_set;
