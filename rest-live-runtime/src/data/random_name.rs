//! Random names, for epochs, nodes and sessions.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns 64 random bits in base 36.
///
/// The result is unique, but not secret. The standard library seeds every `RandomState` from the
/// system's random numbers, and hashes that seed with a keyed hash.
pub(crate) fn random_name() -> String {
    let mut rest = RandomState::new().build_hasher().finish();
    let digit = |_| {
        let digit = char::from_digit((rest % 36) as u32, 36);
        rest /= 36;
        digit
    };
    (0..13).filter_map(digit).collect()
}
