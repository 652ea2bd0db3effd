//! What clients and the server send: one parser of requests, three dialects, frames and codes.

pub(crate) mod broadcast;
pub(crate) mod code;
pub(crate) mod dialect;
pub(crate) mod frame;
pub(crate) mod id;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
pub(crate) mod object;
pub(crate) mod plain;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod v0_7;
pub(crate) mod v1;
