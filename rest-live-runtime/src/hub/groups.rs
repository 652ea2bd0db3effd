//! What each group of subscribers receives.

pub(crate) mod broadcast;
pub(crate) mod frame_log;
pub(crate) mod group;
pub(crate) mod subscriptions;
