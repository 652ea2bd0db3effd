//! The commands that a log sends. Most are scripts, because each must see a single epoch from its
//! first command to its last.

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
const REPORT: &str = include_str!("script/report.lua");
const STATE: &str = concat!(
    include_str!("script/epoch.lua"),
    include_str!("script/state.lua")
);

/// Builds the commands of one log: its key prefix and the number of events to keep.
#[derive(Debug)]
pub(crate) struct Scripts {
    prefix: String,
    keep: u64,
}

/// A field and its value: one entry to append.
pub(crate) type Field<'a> = (&'static str, &'a str);

impl Scripts {
    pub(crate) fn new(prefix: String, keep: u64) -> Self {
        Self { prefix, keep }
    }

    /// Returns the key of the stream.
    pub(crate) fn stream_key(&self) -> String {
        format!("{}:events", self.prefix)
    }

    fn clean_key(&self) -> String {
        format!("{}:nodes:clean", self.prefix)
    }

    fn leases_key(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    fn connections_key(&self) -> String {
        format!("{}:nodes:connections", self.prefix)
    }

    fn eval(&self, script: &str, node: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(7).arg(self.stream_key());
        command.arg(format!("{}:epoch", self.prefix));
        command.arg(self.leases_key());
        command.arg(format!("{}:nodes:{node}:appended", self.prefix));
        command.arg(format!("{}:nodes:refreshed", self.prefix));
        command.arg(self.clean_key()).arg(self.connections_key());
        command.arg(Epoch::random().to_string());
        command
    }

    /// Appends the entries that the stream does not have yet. `first` is the node's number of the
    /// first entry.
    pub(crate) fn append<'a>(
        &self,
        node: &str,
        first: u64,
        entries: impl Iterator<Item = Field<'a>>,
    ) -> Cmd {
        let mut command = self.eval(APPEND, node);
        command.arg(self.keep).arg(first);
        for (field, value) in entries {
            command.arg(field).arg(value);
        }
        command
    }

    /// Refreshes the lease of a node, and marks nodes with expired leases as lost unless they are
    /// clean. `was_late`: an earlier attempt failed.
    pub(crate) fn lease(
        &self,
        node: &str,
        duration_ms: u64,
        max_pause_ms: u64,
        was_late: bool,
    ) -> Cmd {
        let mut command = self.eval(LEASE, node);
        command
            .arg(self.keep)
            .arg(node)
            .arg(duration_ms)
            .arg(max_pause_ms)
            .arg(u8::from(was_late));
        command
    }

    /// Reports that a node may commit changes that are not in the log. It is a plain command that
    /// Redis executes even if it is out of memory.
    pub(crate) fn unclean(&self, node: &str) -> Cmd {
        let mut command = redis::cmd("SREM");
        command.arg(self.clean_key()).arg(node);
        command
    }

    /// Takes a lease for a node that has none: its lease expired while it was suspended. The next
    /// refresh of any node sets when the lease expires.
    pub(crate) fn rejoin(&self, node: &str) -> Cmd {
        let mut command = redis::cmd("ZADD");
        command.arg(self.leases_key()).arg("NX").arg(0).arg(node);
        command
    }

    /// Reports whether a node is clean. `connection` and `report` are numbers that grow.
    pub(crate) fn report(&self, node: &str, connection: u64, report: u64, is_clean: bool) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(REPORT).arg(2);
        command.arg(self.clean_key()).arg(self.connections_key());
        command.arg(node).arg(connection).arg(report);
        command.arg(u8::from(is_clean));
        command
    }

    /// Releases the lease of a node.
    pub(crate) fn leave(&self, node: &str) -> Cmd {
        let mut command = self.eval(LEAVE, node);
        command.arg(node);
        command
    }

    /// Reads the state of the log.
    pub(crate) fn state(&self) -> Cmd {
        self.eval(STATE, "none")
    }

    /// Reads the state of the log, and at most `limit` entries after a position.
    pub(crate) fn state_and_entries(&self, after: u64, limit: usize) -> Cmd {
        let mut command = self.eval(STATE, "none");
        command
            .arg(format!("0-{}", after.saturating_add(1)))
            .arg(limit.max(1));
        command
    }

    /// Waits for entries after a position.
    pub(crate) fn read_blocking(&self, after: u64, count: usize, block_ms: u128) -> Cmd {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count);
        command.arg("BLOCK").arg(block_ms.to_string());
        command.arg("STREAMS").arg(self.stream_key());
        command.arg(format!("0-{after}"));
        command
    }
}
