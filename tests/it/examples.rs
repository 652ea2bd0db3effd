//! The example applications, started as users start them.

mod browser;
pub(crate) mod databases;
mod members;
mod metrics;
mod todolist;
