//! The state of the log, as Redis answers.

use redis::{RedisResult, Value, from_redis_value, streams::StreamRangeReply};
use rest_live_runtime::{Cursor, Epoch};

use crate::{connection::Connection, entry::position, script::Scripts};

/// How many characters of the server's `run_id`, which is random, and of its `master_replid` go into the epoch. The one
/// changes with every start, the other when a replica is made the master.
const DIGITS: usize = 8;

/// How a log is.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) head: Cursor,
    /// The position of the first entry that is kept; behind the head where none is.
    first: u64,
    pub(crate) entries: StreamRangeReply,
}

impl State {
    pub(crate) async fn ask(connection: &mut Connection, scripts: &Scripts) -> RedisResult<Self> {
        Self::read(connection.ask(&scripts.state()).await?)
    }

    /// Reads an answer.
    pub(crate) fn read(answer: Value) -> RedisResult<Self> {
        type Answer = (String, String, String, String, String, Value);
        let (name, run, replid, last, first, entries): Answer = from_redis_value(answer)?;
        let [run, replid] = [&run, &replid].map(|id| id.get(..DIGITS).unwrap_or(id));
        let last = position(&last)?;
        Ok(Self {
            head: Cursor {
                epoch: Epoch::named(&format!("{name}-{run}{replid}")),
                position: last,
            },
            first: match first.as_str() {
                "" => last.saturating_add(1),
                first => position(first)?,
            },
            entries: from_redis_value(entries)?,
        })
    }

    /// Returns whether it is the life of the log that a place is in.
    pub(crate) fn is_of(&self, place: &Cursor) -> bool {
        self.head.epoch == place.epoch
    }

    /// Returns whether the log has not come to a position yet.
    pub(crate) fn is_behind(&self, position: u64) -> bool {
        self.head.position < position
    }

    /// Returns whether a reader that is at a place misses nothing if it goes on from there.
    pub(crate) fn continues(&self, place: &Cursor) -> bool {
        self.is_of(place) && !self.is_behind(place.position) && self.keeps(place.position)
    }

    /// Returns whether all that is behind a position is kept.
    pub(crate) fn keeps(&self, position: u64) -> bool {
        self.first <= position.saturating_add(1)
    }
}
