//! From the event log to the hub: decides what each change means to each group, encodes it once,
//! and keeps what clients may replay.

pub(crate) mod change;
pub(crate) mod dispatcher;
pub(crate) mod encoder;
pub(crate) mod gathered;
pub(crate) mod history;
pub(crate) mod overlaps;
pub(crate) mod replay;
pub(crate) mod telling;
pub(crate) mod unhurried;
