//! The [event log](rest_live_runtime::EventLog) of [rest-live](https://docs.rs/rest-live) on a
//! Redis Stream. Several servers share it: clients of every server receive the changes that any of
//! them makes.
//!
//! ```no_run
//! # use rest_live_runtime::{Live, LiveBuilder};
//! # async fn run(live: LiveBuilder) -> Result<Live, Box<dyn std::error::Error>> {
//! let log = rest_live_redis::RedisLog::connect("redis://127.0.0.1/?prefix=shop").await?;
//! let live = live.log(log).build()?;
//! # Ok(live)
//! # }
//! ```
//!
//! # Guarantee: `AfterCommit`
//! Events are appended after the transaction of their rows has committed.
//!
//! - **A write never fails or hangs because of Redis.** It waits for Redis at most 250 ms, and not
//!   at all while Redis is known to be unavailable. Meanwhile events wait in a queue of this
//!   process, which holds at most 10,000 events and half of `LiveBuilder::memory_budget` (32 MiB
//!   by default). When Redis is back, the process appends
//!   each event exactly once and in order, even if a reply of Redis was lost.
//! - **A lost event is detected.** Events are lost if a process dies during a write or before it
//!   has appended its queue, or if the queue overflows. In both cases, all clients of all servers
//!   receive a reset and fetch again. A live node refreshes its lease every second. If it dies, its
//!   lease expires after five seconds, and the other nodes notice this within about seven seconds.
//!   If the queue of a node overflows, the node reports the loss when Redis is back.
//! - **A process that dies while it has nothing to append loses nothing**, so no client has to
//!   fetch again, however it ends: by a return from `main`, by Ctrl-C or by `kill -9`. A node
//!   reports to Redis that it begins to write, before the write can be committed, and that all its
//!   events are appended, before the write returns. It does not wait for replies to these reports.
//! - **One loss is not detected**: the network between a node and Redis fails while the node is
//!   idle, or Redis or a proxy closes the connection of the reports, and the node then commits a
//!   change and dies before it reaches Redis again. The node notices a closed connection within two
//!   seconds, also while it is idle.
//! - **Redis may lose acknowledged events** if it is killed or fails over. The log always detects
//!   this: every start of Redis and every promotion of a replica begins a new epoch, and all
//!   clients fetch again. All clients also fetch again after a clean restart. The same happens when
//!   the first replica connects, and when the last replica has been gone for an hour, because Redis
//!   then changes its replication id. If the stream is deleted or evicted, the log notices this
//!   within a second.
//! - **While Redis is unavailable** or refuses writes, clients keep their data. After three to five
//!   seconds, the server notifies them that the data may be stale.
//!
//! If events must never be lost, keep them in the application's database (`rest-live-outbox`).
//!
//! # Requirements
//! - Redis 7.0 or later, or Valkey. It must be one server, which may fail over to a replica. Redis
//!   Cluster is not supported.
//! - `maxmemory-policy noeviction`, and enough memory. Each event takes about a third of a kilobyte
//!   plus the columns of two rows. The log keeps 100,000 events unless the URL sets `keep=..`.
//! - Persistence is optional, because clients fetch again after each restart in any case. Redis
//!   starts faster without it.
//! - On a network that is not private, use TLS (`rediss://`, the feature `tls`) and a password.
//!   Events contain the rows of the application's database, except for secret columns. The
//!   operating system must trust the certificate of the server, or [`Options`] name its authority.
//!   If the program has not installed a rustls provider, the log installs ring.
//! - If Redis uses ACLs: a user that may run `EVAL`, `EXISTS`, `GET`, `SET`, `DEL`, `INFO`, `TIME`,
//!   `SELECT`, `CLIENT` and the commands of streams, sets, sorted sets and hashes, on keys that
//!   begin with the prefix.
//!
//! # Keys in Redis
//! | key | holds |
//! |---|---|
//! | `{prefix}:events` | the stream: field `e` is an event in JSON, `lost` marks lost events |
//! | `{prefix}:epoch` | the name of the stream's epoch, to which the server's `run_id` is added |
//! | `{prefix}:nodes` | when the lease of each node expires |
//! | `{prefix}:nodes:clean` | the nodes whose changes are all in the stream |
//! | `{prefix}:nodes:connections` | numbers of each node's last connection and last report |
//! | `{prefix}:nodes:refreshed` | when a lease was last refreshed |
//! | `{prefix}:nodes:{node}:appended` | how many entries a node has appended; expires after a day |

mod address;
mod backoff;
mod connection;
mod entry;
mod error;
mod lease;
mod log;
mod node;
mod options;
mod queue;
mod reconnecting_connection;
mod script;
mod shared;
mod state;
mod tail;
mod unit_buffer;

pub use self::{error::RedisLogError, log::RedisLog, options::Options};
