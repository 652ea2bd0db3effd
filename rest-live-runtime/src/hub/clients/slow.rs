//! What is kept for a client only while it is slow, or because it was.

use std::{mem, time::Instant};

use crate::{data::cursor::Cursor, protocol::frame::Frame};

/// The state of a slow client. Clients that were never slow have none.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    /// Set while the client is behind.
    pub(crate) behind: Option<Behind>,
    /// Set while its socket accepts no data.
    pub(crate) mark: Option<Mark>,
    /// Frames that are sent when the client is no longer behind and has received its reset.
    pub(crate) held: Vec<Frame>,
    /// When the last lags started that end with a reset, oldest first.
    pub(super) lags: Vec<Instant>,
}

/// What was queued for a client when its socket was found blocked. So the client's position moves
/// on although its queue is never empty, and one mark is enough: a queue is bounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Number of bytes that are not written yet. If some of them are dropped, the mark is reached
    /// later than it could be.
    pub(crate) bytes: usize,
    /// When they are written, everything up to this position of the event log has been sent.
    pub(crate) position: u64,
}

/// A client whose queued broadcasts were dropped. It receives none until the history has been
/// replayed to it up to the present.
#[derive(Debug)]
pub(crate) struct Behind {
    /// Everything up to this position of the event log has been sent.
    pub(crate) since: u64,
    /// Whether the client may have received frames of a unit without its end. The next replay is
    /// then a unit in any case: its end is also that of the interrupted one.
    pub(crate) interrupts_unit: bool,
    /// The replay of which a part has been queued.
    pub(crate) replay: Option<CatchUpReplay>,
    /// A portion of a replay is sent only if it was prepared for this version.
    pub(crate) version: BehindVersion,
    /// Whether a task prepares the next portion.
    pub(crate) is_served: bool,
}

/// The version of the state of a client that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BehindVersion {
    /// Number of the lag, never used twice in a shard.
    pub(crate) lag: u64,
    /// Number of portions that were queued, and of changes of the client's subscriptions.
    pub(crate) changes: u64,
}

/// A replay of all subscriptions of a client that is behind, from where it fell behind to the end
/// of a batch.
#[derive(Clone, Debug)]
pub(crate) struct CatchUpReplay {
    /// The name of the replay's unit: where the dispatcher was when the replay began.
    pub(crate) unit: Cursor,
    /// Whether the message that ends the unit must follow, because a frame of it has been queued,
    /// or because another unit was interrupted.
    pub(crate) is_open: bool,
    /// Where the replay ends.
    pub(crate) up_to: Cursor,
    /// Number of the last batch that it covers.
    pub(crate) batch_id: u64,
    /// How far it has been queued.
    pub(crate) sent: ReplayPosition,
}

/// A place in the order in which the changes of a replay are sent. The order of a row's changes is
/// that of their last events, as in the log. A batch that comes later has later places, although a
/// long transaction may bring earlier positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReplayPosition {
    /// Batch and position of the last event of the row.
    pub(crate) event: (u64, u64),
    /// For one event, disappearing rows come first, as in [`drain`](crate::hub::shard::drain).
    pub(crate) appears: bool,
    /// Number of the subscription.
    pub(crate) subscription: u64,
    /// Number of the subscription's ids that have received it, in 0.7.
    pub(crate) ids: usize,
}

impl Behind {
    pub(crate) fn new(lag: u64, since: u64, interrupts_unit: bool) -> Self {
        Self {
            since,
            interrupts_unit,
            replay: None,
            version: BehindVersion { lag, changes: 0 },
            is_served: false,
        }
    }

    /// Returns the replay, and begins it if there is none: up to a batch that ends at a cursor.
    pub(crate) fn begin_replay(&mut self, up_to: Cursor, batch_id: u64) -> &mut CatchUpReplay {
        let is_open = &mut self.interrupts_unit;
        self.replay.get_or_insert_with(|| CatchUpReplay {
            unit: up_to.clone(),
            is_open: mem::take(is_open),
            up_to,
            batch_id,
            sent: ReplayPosition::default(),
        })
    }
}
