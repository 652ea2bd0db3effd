//! What is asked of Redis in one step: scripts, since each must see one epoch from its first to its last command.

use redis::{Cmd, RedisResult, Value, from_redis_value, streams::StreamRangeReply};
use rest_live_runtime::{Cursor, Epoch};

use crate::{connection::Connection, entry::position};

const APPEND: &str = concat!(
    include_str!("script/epoch.lua"),
    include_str!("script/append.lua")
);
const LEASE: &str = concat!(
    include_str!("script/epoch.lua"),
    include_str!("script/lease.lua")
);
const LEAVE: &str = concat!(
    include_str!("script/epoch.lua"),
    include_str!("script/leave.lua")
);
const STATE: &str = concat!(
    include_str!("script/epoch.lua"),
    include_str!("script/state.lua")
);

/// How many characters of the server's `run_id`, which is random, and of its `master_replid` go into the epoch. The one
/// changes with every start, the other when a replica is made the master.
const DIGITS: usize = 8;

/// The names of the keys of one log, and how much of it is kept.
#[derive(Debug)]
pub(crate) struct Scripts {
    prefix: String,
    keep: u64,
}

/// An entry that is to be appended: a field and its value.
pub(crate) type Field<'a> = (&'static str, &'a str);

impl Scripts {
    pub(crate) fn new(prefix: String, keep: u64) -> Self {
        Self { prefix, keep }
    }

    /// The key of the stream.
    pub(crate) fn events(&self) -> String {
        format!("{}:events", self.prefix)
    }

    fn call(&self, script: &str, node: &str) -> Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(script).arg(5).arg(self.events());
        for key in ["epoch", "nodes"] {
            call.arg(format!("{}:{key}", self.prefix));
        }
        call.arg(format!("{}:nodes:{node}:appended", self.prefix));
        call.arg(format!("{}:nodes:refreshed", self.prefix));
        call.arg(Epoch::random().to_string());
        call
    }

    /// Appends entries, of which the first is a node's entry with this number, those that are not there yet.
    pub(crate) fn append<'a>(
        &self,
        node: &str,
        first: u64,
        entries: impl Iterator<Item = Field<'a>>,
    ) -> Cmd {
        let mut call = self.call(APPEND, node);
        call.arg(self.keep).arg(first);
        for (field, value) in entries {
            call.arg(field).arg(value);
        }
        call
    }

    /// Refreshes the lease of a node, and says of others that they are lost. The times are in milliseconds.
    pub(crate) fn lease(&self, node: &str, term: u64, pause: u64) -> Cmd {
        let mut call = self.call(LEASE, node);
        call.arg(self.keep).arg(node).arg(term).arg(pause);
        call
    }

    /// Gives up the lease of a node.
    pub(crate) fn leave(&self, node: &str) -> Cmd {
        let mut call = self.call(LEAVE, node);
        call.arg(node);
        call
    }

    /// Asks how the log is.
    pub(crate) fn state(&self) -> Cmd {
        self.call(STATE, "none")
    }

    /// Asks how the log is, and for at most `limit` entries behind a position.
    pub(crate) fn state_and_entries(&self, after: u64, limit: usize) -> Cmd {
        let mut call = self.call(STATE, "none");
        call.arg(format!("0-{}", after.saturating_add(1)))
            .arg(limit.max(1));
        call
    }

    /// Waits for entries behind a position.
    pub(crate) fn wait(&self, after: u64, count: usize, block: u128) -> Cmd {
        let mut call = redis::cmd("XREAD");
        call.arg("COUNT").arg(count);
        call.arg("BLOCK").arg(block.to_string());
        call.arg("STREAMS").arg(self.events());
        call.arg(format!("0-{after}"));
        call
    }
}

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
