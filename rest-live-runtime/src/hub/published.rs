//! How far the log is published to the sessions.

use std::time::Instant;

use crate::data::cursor::{Cursor, Epoch};

/// What the dispatcher has queued for the sessions, in all shards.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// Every event up to this cursor is in the queues of the sessions.
    pub(crate) cursor: Cursor,
    /// Every event that was committed before this moment is in these queues, if the log knows such
    /// a moment.
    pub(crate) as_of: Option<Instant>,
    /// The position of the first event that is withheld, because its row is read again, and that no
    /// later event covers.
    pub(crate) first_withheld: Option<u64>,
    /// Whether the log has been unreachable for some seconds, so that clients are stale.
    pub(crate) is_away: bool,
}

impl Published {
    /// Returns the state at which the log begins, or begins again.
    pub(crate) fn begin(cursor: Cursor) -> Self {
        Self {
            cursor,
            as_of: None,
            first_withheld: None,
            is_away: false,
        }
    }

    /// Returns whether every event up to a cursor is published, also those that were withheld.
    pub(crate) fn reaches(&self, cursor: &Cursor) -> bool {
        self.cursor.epoch == cursor.epoch
            && self.cursor.position >= cursor.position
            && self
                .first_withheld
                .is_none_or(|withheld| withheld > cursor.position)
    }

    /// Returns whether every event is published that was committed before a moment.
    pub(crate) fn reaches_moment(&self, moment: Instant) -> bool {
        self.first_withheld.is_none() && self.as_of.is_some_and(|as_of| as_of >= moment)
    }

    /// Returns whether the log has begun an epoch that is neither of these: nothing of them is
    /// published any more.
    pub(crate) fn has_left(&self, begin: &Epoch, target: &Epoch) -> bool {
        self.cursor.epoch != *begin && self.cursor.epoch != *target
    }

    /// Returns the state without the events that are withheld: their rows come later.
    pub(crate) fn without_withheld(&self) -> Self {
        Self {
            first_withheld: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(epoch: &str, position: u64) -> Cursor {
        Cursor {
            epoch: Epoch::named(epoch),
            position,
        }
    }

    #[test]
    fn withheld_event_is_not_reached() {
        let mut published = Published::begin(at("a", 7));
        assert!(published.reaches(&at("a", 7)));
        assert!(!published.reaches(&at("a", 8)));
        assert!(!published.reaches(&at("b", 7)));
        published.first_withheld = Some(6);
        assert!(published.reaches(&at("a", 5)));
        assert!(!published.reaches(&at("a", 6)));
    }

    #[test]
    fn moment_needs_a_later_read() {
        let now = Instant::now();
        let mut published = Published::begin(at("a", 7));
        assert!(!published.reaches_moment(now));
        published.as_of = Some(now);
        assert!(published.reaches_moment(now));
        assert!(!published.reaches_moment(now + Duration::from_nanos(1)));
        published.first_withheld = Some(9);
        assert!(!published.reaches_moment(now));
    }
}
