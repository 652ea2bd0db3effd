//! The [event log](rest_live_runtime::EventLog) of [rest-live](https://docs.rs/rest-live) on a Redis Stream: several servers
//! share it, and a change made on one reaches the clients of all.
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
//! # What it promises: `AfterCommit`
//! Events are appended after the transaction of their rows has committed.
//!
//! - **A write never fails or hangs because of Redis.** It waits a quarter of a second for Redis at most, and not at all
//!   while Redis is known to be away. The events wait in a queue of this process: 10,000 of them, and 32 MiB. When Redis is
//!   there again, each of them is appended once and in order, also if an answer was lost on the way.
//! - **Nothing is lost in silence.** What can be lost is: events in the queue of a process that dies, and those that do not
//!   fit the queue. Then every client of every server is told to fetch again: other nodes notice within some seven seconds
//!   that the lease of a dead one ends (it is refreshed every second, and lasts five), and a queue that overflowed says so
//!   once Redis is back. A node that [leaves](rest_live_runtime::EventLog::leave) says goodbye, and nobody is told
//!   anything.
//! - **Redis itself may lose what it has acknowledged**, when it is killed or fails over: see below. That is noticed
//!   whatever it has kept: each start of a server, and each replica that is made the master, is another life of the log, and
//!   all clients fetch again. So do they after a clean restart, and where the first replica comes, or the last has been
//!   gone for an hour: Redis names its data anew then. A log that is emptied, or evicted, is noticed within a second.
//! - **While Redis is away**, or refuses to write, clients keep what they have, and are told after three to five seconds that
//!   it may be old.
//!
//! For events that cannot be lost, keep them in the application's database.
//!
//! # What it needs
//! - Redis 7.0 or later, or Valkey: one server, which may fail over, not Redis Cluster.
//! - `maxmemory-policy noeviction`, and memory: about a third of a kilobyte and the columns of two rows for each of the
//!   100,000 events that are kept, unless the URL says `keep=..`.
//! - Persistence is optional, since clients fetch again after each restart in any case. Without it, a start is faster.
//! - TLS (`rediss://`, the feature `tls`) and a password where the network is not yours alone: the rows of the
//!   application's database are in these events, but for secret columns. Certificates are those that the system trusts. If
//!   the program has not chosen the cryptography of rustls before, ring is installed as its default.
//! - With ACLs, a user who may run `EVAL`, `EXISTS`, `GET`, `SET`, `DEL`, `INFO`, `TIME`, `SELECT`, and the commands of
//!   streams and sorted sets, on keys that begin with the prefix.
//!
//! # What is in Redis
//! | key | holds |
//! |---|---|
//! | `{prefix}:events` | the stream: an entry `e` is an event in JSON, an entry `lost` says that events are lost |
//! | `{prefix}:epoch` | the name of this life of the stream, to which the server's `run_id` comes |
//! | `{prefix}:nodes` | when the lease of each node ends |
//! | `{prefix}:nodes:refreshed` | when a lease was last refreshed |
//! | `{prefix}:nodes:{node}:appended` | how many entries a node has appended, for a day |

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
