//! A place in the event log.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

/// One unbroken life of an event log. Cursors of two epochs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Returns an epoch that no log had before: 64 random bits in base 36.
    pub fn random() -> Self {
        // The standard library seeds every `RandomState` from the system's randomness; an epoch
        // must be unique, not secret.
        let mut rest = RandomState::new().build_hasher().finish();
        let mut text = String::new();
        for _ in 0..13 {
            text.extend(char::from_digit((rest % 36) as u32, 36));
            rest /= 36;
        }
        Self(text.into())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An opaque place in an event log, written `<epoch>.<position>`.
///
/// Everything up to and including `position` has happened; the first event of a log has position 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The life of the log that the position belongs to.
    pub epoch: Epoch,
    /// Number of the last event that is behind this place.
    pub position: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_differ_and_cursors_show_theirs() {
        let epoch = Epoch::random();
        assert_ne!(epoch, Epoch::random());
        assert_eq!(
            Cursor {
                epoch: epoch.clone(),
                position: 174
            }
            .to_string(),
            format!("{epoch}.174")
        );
        assert_eq!(epoch.to_string().len(), 13);
    }
}
