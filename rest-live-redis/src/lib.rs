//! The [event log](rest_live_runtime::EventLog) of [rest-live](https://docs.rs/rest-live) on a
//! Redis Stream. Several servers share it, and a change made on one server reaches the clients of
//! all.
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
//! - **A write never fails or hangs because of Redis.** It waits for Redis at most a quarter of a
//!   second, and not at all while Redis is known to be unavailable. Events wait in a queue of this
//!   process: at most 10,000 events and 32 MiB. When Redis is back, each event is appended once and
//!   in order, even if a reply was lost.
//! - **Nothing is lost in silence.** Two kinds of events can be lost: those in the queue of a
//!   process that dies, and those that do not fit the queue. In both cases every client of every
//!   server fetches again. The lease of a dead node expires after five seconds (a live node
//!   refreshes it every second), and other nodes notice within about seven seconds. A queue that
//!   overflowed reports the loss once Redis is back. A node that
//!   [leaves](rest_live_runtime::EventLog::leave) releases its lease, so no client has to fetch
//!   again.
//! - **Redis itself may lose acknowledged events** when it is killed or fails over. The log detects
//!   this however much Redis has kept: every start of a server and every promotion of a replica
//!   begins a new epoch, and all clients fetch again. The same happens after a clean restart, when
//!   the first replica connects, and when the last replica has been gone for an hour, because Redis
//!   then changes its replication id. An emptied or evicted log is noticed within a second.
//! - **While Redis is unavailable** or refuses writes, clients keep their data. After three to five
//!   seconds they are notified that it may be stale.
//!
//! If events must never be lost, keep them in the application's database (`rest-live-outbox`).
//!
//! # Requirements
//! - Redis 7.0 or later, or Valkey: one server, which may fail over. Redis Cluster is not
//!   supported.
//! - `maxmemory-policy noeviction`, and enough memory. Each event takes about a third of a kilobyte
//!   plus the columns of two rows. The log keeps 100,000 events unless the URL sets `keep=..`.
//! - Persistence is optional, because clients fetch again after each restart in any case. Redis
//!   starts faster without it.
//! - On a network that is not private, use TLS (`rediss://`, the feature `tls`) and a password.
//!   Events contain the rows of the application's database, except for secret columns. Certificates
//!   must be trusted by the system. If the program has not chosen a rustls provider, ring is
//!   installed as the default.
//! - With ACLs, a user that may run `EVAL`, `EXISTS`, `GET`, `SET`, `DEL`, `INFO`, `TIME`, `SELECT`
//!   and the commands of streams and sorted sets, on keys that begin with the prefix.
//!
//! # Keys in Redis
//! | key | holds |
//! |---|---|
//! | `{prefix}:events` | the stream: field `e` is an event in JSON, `lost` marks lost events |
//! | `{prefix}:epoch` | the name of the stream's epoch, to which the server's `run_id` is added |
//! | `{prefix}:nodes` | when the lease of each node expires |
//! | `{prefix}:nodes:refreshed` | when a lease was last refreshed |
//! | `{prefix}:nodes:{node}:appended` | how many entries a node has appended; expires after a day |

mod address;
mod backoff;
mod connection;
mod entry;
mod error;
mod log;
mod node;
mod queue;
mod reconnecting_connection;
mod script;
mod shared;
mod state;
mod tail;

pub use self::{error::RedisLogError, log::RedisLog};
