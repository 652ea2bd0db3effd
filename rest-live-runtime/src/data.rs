//! Plain data: row changes, keys, groups and cursors. No tokio, no I/O.

pub(crate) mod cursor;
pub(crate) mod event;
pub(crate) mod granted;
pub(crate) mod group_id;
pub(crate) mod key;
pub(crate) mod token;
