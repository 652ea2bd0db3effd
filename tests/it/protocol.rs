//! The protocol: golden frames, dialects, keys, and clients from other projects.

mod enum_keys;
mod golden;
mod groups;
mod keys;
mod pings;
mod python_client;
mod react_hook;
mod sync;
mod v0_7;
mod v1;
