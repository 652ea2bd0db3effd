//! [`RedisLog`]: the log trait of the runtime, implemented on a Redis Stream.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
    stream::BoxStream,
};
use redis::{RedisError, Value};
use rest_live_runtime::{Cursor, Entry, EventLog, LogError, ReadError, Record, StoredEvent, Tail};
use tokio::time::timeout;

use crate::{
    address::Address,
    connection::Connection,
    entry::{StreamEntry, entry_of, parse_position},
    error::RedisLogError,
    node::Node,
    options::Options,
    queue::PushOutcome,
    shared::Shared,
    state::LogState,
};

/// How long an append waits for Redis before it returns and leaves its events in the queue.
const APPEND_TIMEOUT: Duration = Duration::from_millis(250);

/// The first major version in which streams number entries without gaps (`XADD .. 0-*`).
const MIN_VERSION: u32 = 7;

/// An event log on one Redis Stream, shared by several servers. See the [crate] for its guarantee
/// and requirements.
///
/// Each connected log is a node; its clones belong to the same node. A node holds a lease. If a
/// node does not refresh its lease for five seconds, the other nodes treat it as dead. If the last
/// clone is dropped without [`leave`](EventLog::leave), the node's tasks stop. If events are queued
/// then, they are lost, and the other nodes notice this when the lease expires.
#[derive(Clone, Debug)]
pub struct RedisLog {
    node: Arc<Node>,
}

impl RedisLog {
    /// Connects to a server: `redis://user:password@host:6379/0?prefix=rest-live&keep=100000`.
    ///
    /// Only the host is required. `rediss://` means TLS and needs the feature `tls`. The path is
    /// the number of the database. Default: 0. All keys in Redis begin with `prefix` and a colon.
    /// Default: `rest-live`. Applications that share a database need different prefixes. For
    /// clients that resume, the log keeps about `keep` events. Default: 100,000.
    ///
    /// Call it in a tokio runtime. The node runs three tasks on this runtime.
    ///
    /// # Errors
    /// [`RedisLogError`] if the URL is wrong, or if the server is unreachable, rejects the login,
    /// is older than 7.0, or is a replica or part of a cluster.
    ///
    /// # Cancel safety
    /// Safe: a node that has written nothing can end at any time.
    pub async fn connect(url: &str) -> Result<Self, RedisLogError> {
        Self::connect_with(url, &Options::default()).await
    }

    /// Returns the default options, such as certificates for TLS. Change them, then call
    /// [`Options::connect`].
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) async fn connect_with(url: &str, options: &Options) -> Result<Self, RedisLogError> {
        let address = Address::parse(url, options)?;
        let host_and_port = address.host_and_port.clone();
        let unusable = |source: RedisError| RedisLogError::Unusable {
            address: host_and_port.clone(),
            source: source.into(),
        };
        let mut connection = Connection::open(&address.client).await.map_err(unusable)?;
        let info: String = connection
            .query(redis::cmd("INFO").arg("server"))
            .await
            .map_err(unusable)?;
        let version = server_version(&info);
        if !is_supported(version) {
            return Err(RedisLogError::TooOld {
                version: version.to_owned(),
                address: host_and_port,
            });
        }
        if let Some(mode) = unsupported_mode(&info) {
            return Err(RedisLogError::Mode {
                mode,
                address: host_and_port,
            });
        }
        let replication: String = connection
            .query(redis::cmd("INFO").arg("replication"))
            .await
            .map_err(unusable)?;
        if replication.lines().any(|line| line == "role:slave") {
            return Err(RedisLogError::Replica {
                address: host_and_port,
            });
        }
        let mut node = Node::new(address);
        let state = LogState::query(&mut connection, &node.shared.scripts);
        node.opened_at = Some(state.await.map_err(unusable)?.head);
        let Shared { lease, scripts, .. } = &*node.shared;
        lease.open(scripts).await.map_err(unusable)?;
        node.shared.refresh_lease(false).await.map_err(unusable)?;
        node.start();
        Ok(Self {
            node: Arc::new(node),
        })
    }

    async fn state(&self, command: &redis::Cmd) -> Result<LogState, LogError> {
        let reply: Result<Value, _> = self.node.shared.connection.query(command).await;
        reply.and_then(LogState::parse).map_err(LogError::new)
    }

    async fn read_entries(&self, after: Cursor, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let command = self
            .node
            .shared
            .scripts
            .state_and_entries(after.position, limit);
        let state = self.state(&command).await?;
        if !state.has_epoch_of(&after) {
            return Err(ReadError::Epoch);
        }
        if state.is_behind(after.position) {
            return Err(ReadError::Ahead);
        }
        if !state.keeps(after.position) {
            return Err(ReadError::Expired);
        }
        let mut entries = Vec::new();
        for (entry, expected) in state
            .entries
            .ids
            .iter()
            .take(limit)
            .zip(after.position + 1..)
        {
            let position = parse_position(&entry.id).map_err(LogError::new)?;
            match StreamEntry::parse(entry) {
                StreamEntry::Event(event) if position == expected => {
                    entries.push(entry_of(position, event));
                }
                // Events were lost here, so a client cannot resume across this point.
                StreamEntry::Event(_) | StreamEntry::Lost => return Err(ReadError::Expired),
            }
        }
        Ok(entries)
    }
}

impl EventLog for RedisLog {
    /// Waits until Redis has the events: at most 250 ms, and not at all while Redis is known to be
    /// unavailable. Events that Redis does not have yet stay in the queue.
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        if events.is_empty() {
            return future::ready(Ok(())).boxed();
        }
        let following = (0..events.len() as u64).rev();
        let texts = events.iter().zip(following).map(|(event, following)| {
            let stored = StoredEvent {
                following,
                ..event.store()
            };
            serde_json::to_string(&stored)
        });
        let pushed = match texts.collect() {
            Ok(texts) => self.node.shared.push(texts),
            Err(error) => return future::ready(Err(LogError::new(error))).boxed(),
        };
        match pushed {
            PushOutcome::Queued => future::ready(Ok(())).boxed(),
            PushOutcome::Dropped(reason) => future::ready(Err(LogError::new(reason))).boxed(),
            PushOutcome::Waiting(acknowledged) => async {
                match timeout(APPEND_TIMEOUT, acknowledged).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => {
                        let reason = "the queue for Redis overflowed, so these events were dropped";
                        return Err(LogError::new(reason));
                    }
                    Err(_) => self.node.shared.mark_unavailable(&"no reply within 250 ms"),
                }
                Ok(())
            }
            .boxed(),
        }
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        crate::tail::tail(Arc::clone(&self.node.shared))
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        async {
            let state = self.state(&self.node.shared.scripts.state()).await?;
            Ok(state.head)
        }
        .boxed()
    }

    /// Returns the head, when Redis has every event that this node has appended so far. Returns
    /// `None` if Redis is known to be unavailable, or does not answer within 250 ms.
    fn appended(&self) -> BoxFuture<'_, Option<Cursor>> {
        let flushed = {
            let mut queue = self.node.shared.queue.lock();
            (!queue.is_unavailable()).then(|| queue.flushed())
        };
        async move {
            let head = async {
                flushed?.await.ok()?;
                self.head().await.ok()
            };
            timeout(APPEND_TIMEOUT, head).await.ok().flatten()
        }
        .boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        self.read_entries(after, limit).boxed()
    }

    /// Sets how many bytes of events may wait for Redis. If there are more, all waiting events are
    /// dropped, and all subscribers receive a reset when Redis is back.
    fn set_memory_budget(&self, bytes: usize) {
        self.node.shared.queue.lock().set_max_bytes(bytes);
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn opened_at(&self) -> Option<Cursor> {
        self.node.opened_at.clone()
    }

    /// Reports to Redis that this node is about to commit changes. The writes wait only if the
    /// connection for such reports is broken: at most 250 ms, and not at all while Redis is known
    /// to be unavailable, or after a write has waited in vain for this connection.
    fn begin_writes(&self) -> Option<BoxFuture<'static, ()>> {
        let Shared { lease, scripts, .. } = &*self.node.shared;
        let sent = lease.hold(scripts)?;
        if self.node.shared.queue.lock().is_unavailable() {
            return None;
        }
        let shared = Arc::clone(&self.node.shared);
        let wait = async move {
            if timeout(APPEND_TIMEOUT, sent).await.is_err() {
                shared.lease.abandon();
            }
        };
        Some(wait.boxed())
    }

    fn end_writes(&self) {
        let Shared { lease, scripts, .. } = &*self.node.shared;
        lease.release(scripts);
    }

    /// Waits at most five seconds until Redis has all events, and then releases the lease. Later
    /// events are still appended. But if this process dies before they are in Redis, no other node
    /// notices.
    fn leave(&self) -> BoxFuture<'_, ()> {
        self.node.leave().boxed()
    }
}

/// Returns the version in the reply to INFO. Valkey reports the Redis version that it is compatible
/// with.
fn server_version(info: &str) -> &str {
    let mut lines = info.lines();
    lines
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("without a version")
}

/// Returns a mode in which Redis cannot hold the log: all keys must be on this server.
fn unsupported_mode(info: &str) -> Option<&'static str> {
    let mode = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_mode:"));
    match mode {
        Some("cluster") => Some("cluster"),
        Some("sentinel") => Some("sentinel"),
        _ => None,
    }
}

fn is_supported(version: &str) -> bool {
    let major = version.split('.').next();
    major
        .and_then(|major| major.parse::<u32>().ok())
        .is_some_and(|major| major >= MIN_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_7_are_refused() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:00000000\r\n";
        assert_eq!(server_version(info), "7.0.15");
        for (version, expected) in [
            ("7.0.15", true),
            ("10.2", true),
            ("6.2.14", false),
            (server_version(""), false),
        ] {
            assert_eq!(is_supported(version), expected, "{version}");
        }
    }
}
