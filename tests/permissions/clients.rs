//! Random users and dialects.

use proptest::{prelude::*, sample::select};

use crate::entities::User;

/// A dialect of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Plain,
    V1,
    V0_7,
}

pub fn users() -> impl Strategy<Value = User> {
    prop_oneof![
        Just(User::Anonymous),
        (1..=2).prop_map(User::Named),
        Just(User::Admin)
    ]
}

pub fn dialects() -> impl Strategy<Value = Dialect> {
    select(vec![Dialect::Plain, Dialect::V1, Dialect::V0_7])
}
