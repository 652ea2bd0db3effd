//! Positions in the event log.

use std::{fmt, str::FromStr, sync::Arc};

use super::random_name::random_name;

/// The name of a period in which an event log lost no event.
///
/// A log that loses its events starts a new epoch. Cursors of two epochs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Returns an epoch that no log had before: 64 random bits in base 36.
    pub fn random() -> Self {
        Self(random_name().into())
    }

    /// Returns the epoch with this name. The name must identify one period of one log and no other.
    /// It must consist of ASCII letters, digits, `-` and `_`.
    ///
    /// # Panics
    /// If the name is empty or contains another character.
    pub fn named(name: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(
            !name.is_empty() && name.chars().all(is_plain),
            "{name:?} is not an epoch: use ASCII letters, digits, `-` and `_`"
        );
        Self(name.into())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An opaque position in an event log, written `<epoch>.<position>`.
///
/// It stands for all events up to and including `position`. The first event of a log has position
/// 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch of the log that the position belongs to.
    pub epoch: Epoch,
    /// The position of the last event that the cursor includes; 0 before the first event.
    pub position: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    /// Parses a cursor as [`Display`](fmt::Display) writes it. Other spellings are an error: the
    /// server sends a client's cursor back, and the client expects the same text.
    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let (epoch, digits) = text.rsplit_once('.').ok_or(ParseCursorError)?;
        let position: u64 = digits.parse().map_err(|_| ParseCursorError)?;
        if epoch.is_empty() || position.to_string() != digits {
            return Err(ParseCursorError);
        }
        Ok(Self {
            epoch: Epoch(epoch.into()),
            position,
        })
    }
}

/// The position of an event in a log, and the cursor that its frames carry.
#[derive(Clone, Debug)]
pub(crate) struct EventPosition {
    pub(crate) position: u64,
    /// The cursor from which a client can resume when it has received everything so far, including
    /// this event. It is the position of the event, or an earlier one if the log may still yield
    /// events with smaller positions.
    pub(crate) cursor: Cursor,
}

impl EventPosition {
    pub(crate) fn new(position: u64, watermark: &Cursor) -> Self {
        let cursor = Cursor {
            epoch: watermark.epoch.clone(),
            position: position.min(watermark.position),
        };
        Self { position, cursor }
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor: a cursor looks like `k3F9.174`")]
pub struct ParseCursorError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_parse_only_what_they_display() {
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
        let cursor = Cursor { epoch, position: 7 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "a.", "a.-1", "a.b", "a.+1", "a.01", ".1"] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
