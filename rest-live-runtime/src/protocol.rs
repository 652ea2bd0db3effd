//! What clients and the server send: one parser for requests, three dialects, frames and codes.
//!
//! Nothing here keeps state or does I/O. Sessions parse requests and encode answers; the dispatcher
//! encodes broadcasts. `docs/protocol.md` describes the protocol for authors of clients.

mod answer;
pub(crate) mod broadcast;
pub(crate) mod code;
pub(crate) mod dialect;
pub(crate) mod frame;
pub(crate) mod id;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
pub(crate) mod object;
pub(crate) mod parse;
pub(crate) mod plain;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod v0_7;
pub(crate) mod v1;
