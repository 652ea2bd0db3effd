//! The wire protocol: golden frames, dialects, keys, clients written elsewhere.

mod golden;
mod keys;
mod python_client;
mod react_hook;
mod v0_7;
mod v1;
