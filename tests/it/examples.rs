//! The example applications, started as a user would.

mod browser;
pub(crate) mod databases;
mod members;
mod todolist;
