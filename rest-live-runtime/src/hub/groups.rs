//! What each group of subscribers receives.

pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod publishing;
pub(crate) mod subscribing;
