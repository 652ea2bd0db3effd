//! The refusals that several requests share.

use crate::protocol::{code::ErrorCode, refusal::Refusal};

pub(super) fn id_in_use() -> Refusal {
    Refusal::new(
        ErrorCode::IdInUse,
        "another subscription of this connection has this `id`",
    )
}

pub(super) fn unauthenticated() -> Refusal {
    Refusal::new(
        ErrorCode::Unauthenticated,
        "this connection has no user yet: send `auth` with a token first",
    )
}

pub(super) fn internal() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the server failed")
}

pub(super) fn unavailable() -> Refusal {
    Refusal::new(
        ErrorCode::Unavailable,
        "the server cannot accept subscriptions now: try again later",
    )
}

pub(super) fn check_unavailable() -> Refusal {
    Refusal::new(
        ErrorCode::Unavailable,
        "the server cannot check tokens now: try again later",
    )
}
