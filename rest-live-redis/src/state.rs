//! The state of the log, as Redis reports it.

use redis::{RedisResult, Value, from_redis_value, streams::StreamRangeReply};
use rest_live_runtime::{Cursor, Epoch};

use crate::{connection::Connection, entry::parse_position, script::Scripts};

/// How many characters of the server's `run_id` and `master_replid` become part of the epoch. The
/// first changes with every start, the second when a replica is promoted.
const EPOCH_ID_LENGTH: usize = 8;

/// The head of the log, its first entry, and the requested entries.
#[derive(Debug)]
pub(crate) struct LogState {
    pub(crate) head: Cursor,
    /// The position of the first entry that is kept, or the position after the head if none is.
    first_kept: u64,
    pub(crate) entries: StreamRangeReply,
}

impl LogState {
    pub(crate) async fn query(connection: &mut Connection, scripts: &Scripts) -> RedisResult<Self> {
        Self::parse(connection.query(&scripts.state()).await?)
    }

    /// Parses the reply of the state script.
    pub(crate) fn parse(reply: Value) -> RedisResult<Self> {
        type Reply = (String, String, String, String, String, Value);
        let (name, run, replid, last, first, entries): Reply = from_redis_value(reply)?;
        let [run, replid] = [&run, &replid].map(|id| id.get(..EPOCH_ID_LENGTH).unwrap_or(id));
        let last = parse_position(&last)?;
        Ok(Self {
            head: Cursor {
                epoch: Epoch::named(&format!("{name}-{run}{replid}")),
                position: last,
            },
            first_kept: match first.as_str() {
                "" => last.saturating_add(1),
                first => parse_position(first)?,
            },
            entries: from_redis_value(entries)?,
        })
    }

    /// Returns whether a cursor belongs to the epoch of the log.
    pub(crate) fn has_epoch_of(&self, cursor: &Cursor) -> bool {
        self.head.epoch == cursor.epoch
    }

    /// Returns whether the log has not reached a position yet.
    pub(crate) fn is_behind(&self, position: u64) -> bool {
        self.head.position < position
    }

    /// Returns whether a reader at a cursor can continue from there without missing an entry.
    pub(crate) fn continues(&self, cursor: &Cursor) -> bool {
        self.has_epoch_of(cursor) && !self.is_behind(cursor.position) && self.keeps(cursor.position)
    }

    /// Returns whether the log keeps every entry after a position.
    pub(crate) fn keeps(&self, position: u64) -> bool {
        self.first_kept <= position.saturating_add(1)
    }
}
