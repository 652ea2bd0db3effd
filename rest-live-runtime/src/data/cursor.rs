//! A place in the event log.

use std::{fmt, str::FromStr, sync::Arc};

use super::token;

/// One unbroken life of an event log. Cursors of two epochs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Returns an epoch that no log had before: 64 random bits in base 36.
    pub fn random() -> Self {
        Self(token::random().into())
    }

    /// Returns the epoch with a name: what identifies this life of the log, and no other. Letters, digits, `-` and `_`.
    ///
    /// # Panics
    /// If it is empty, or has another character: cursors are texts.
    pub fn named(name: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(
            !name.is_empty() && name.chars().all(is_plain),
            "{name:?} is no epoch"
        );
        Self(name.into())
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

impl FromStr for Cursor {
    type Err = ParseCursorError;

    /// Reads what [`Display`](fmt::Display) wrote, and no other way of writing it: a client that goes on
    /// from a cursor is answered with that same text.
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

/// Where an event is in a log.
#[derive(Clone, Debug)]
pub(crate) struct EventPosition {
    pub(crate) position: u64,
    /// The place from which nothing is missed by who was told all so far and this event: right behind it, or before
    /// events that are still to come.
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

/// A text that is no cursor of any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor")]
pub struct ParseCursorError;

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
        let cursor = Cursor { epoch, position: 7 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "a.", "a.-1", "a.b", "a.+1", "a.01", ".1"] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
