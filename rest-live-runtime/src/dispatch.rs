//! From the event log to the hub: decides what each change means to each group, encodes it once,
//! and keeps what clients may replay.

pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod conflicts;
mod delivery;
pub(crate) mod dispatcher;
pub(crate) mod encoder;
pub(crate) mod history;
pub(crate) mod idle_tail;
pub(crate) mod replay;
mod units;
mod withheld;
