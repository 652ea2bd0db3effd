//! What is asked of Redis in one step: scripts, since each must see one epoch from its first to its last command.

use redis::Cmd;
use rest_live_runtime::Epoch;

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
