//! [`Lease`]: what Redis knows of this node, so that the other nodes notice if it dies and what it
//! takes with it.
//!
//! A node refreshes its lease every second (see [`crate::node`]). Redis also knows whether the node
//! is *clean*: everything that it has committed is in the log. When the lease of a clean node
//! expires, nothing was lost, and nothing happens. When the lease of another node expires, all
//! subscribers receive a reset.
//!
//! So Redis must receive that the node is no longer clean before the node commits a write. Waiting
//! for a reply would cost each write a round trip. Instead the command is in the socket before the
//! write begins: [`hold`](Lease::hold) returns after the system call that sends it. The kernel
//! delivers what is in a socket even if the process is killed at once, and also if Redis is paused
//! and reads it later. Both reports, "not clean" and "clean", take the same connection, so Redis
//! executes them in order. The connection is a blocking one, because an asynchronous one does not
//! report when a command is in the socket. A send that the socket has no room for fails after
//! [`SEND_TIMEOUT`].
//!
//! A node that was suspended may have lost its lease. So a report of "not clean" also
//! [adds](Scripts::rejoin) the node to the leases again, before its next refresh.

use std::{io, thread, time::Duration};

use parking_lot::Mutex;
use redis::{Client, Cmd, Connection, ConnectionAddr, ConnectionLike, RedisResult};
use tokio::sync::{Notify, oneshot};

use crate::script::Scripts;

/// How long opening the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long sending a report may take, if the socket has no room for it. Over TLS, up to four times
/// as long, because rustls also waits to read.
const SEND_TIMEOUT: Duration = Duration::from_millis(20);
/// Number of waiting writes from which on those that no longer wait are removed.
const MAX_WAITING: usize = 64;

/// The reports of one node.
#[derive(Debug)]
pub(crate) struct Lease {
    client: Client,
    node: String,
    is_tls: bool,
    state: Mutex<State>,
    /// Notified when the connection is broken.
    pub(crate) broken: Notify,
}

#[derive(Default)]
struct State {
    /// `None` while it is broken.
    connection: Option<Connection>,
    /// How many connections were opened. Redis ignores late commands of an earlier one.
    connections: u64,
    /// Number of the last report that a check can find in Redis.
    last_check: u64,
    /// For what the node is not clean: open writes, and a queue with events.
    holds: usize,
    has_left: bool,
    /// Whether a write has waited in vain since the connection broke. No other write waits then.
    is_abandoned: bool,
    /// Writes that wait until a connection is open.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Lease {
    pub(crate) fn new(client: Client, node: String) -> Self {
        Self {
            is_tls: matches!(
                client.get_connection_info().addr(),
                ConnectionAddr::TcpTls { .. }
            ),
            client,
            node,
            state: Mutex::default(),
            broken: Notify::new(),
        }
    }

    /// Makes the node unclean, until as many calls of [`release`](Self::release) have followed. If
    /// the report could not be sent, returns a receiver that is notified when it is.
    pub(crate) fn hold(&self, scripts: &Scripts) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        state.holds += 1;
        if state.has_left {
            return None;
        }
        if state.holds == 1 {
            let unclean = scripts.unclean(&self.node);
            self.send(&mut state, &[unclean, scripts.rejoin(&self.node)]);
        }
        if state.connection.is_some() || state.is_abandoned {
            return None;
        }
        if state.waiting.len() >= MAX_WAITING {
            // Those that have timed out.
            state.waiting.retain(|waiting| !waiting.is_closed());
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push(sender);
        Some(receiver)
    }

    /// Records that a write has waited in vain for the connection. The next writes do not wait
    /// until it is open.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        if state.connection.is_none() && !state.is_abandoned && !state.has_left {
            state.is_abandoned = true;
            state.waiting.clear();
            tracing::warn!(
                "the connection to Redis for leases cannot be opened: until it is, the other nodes \
                 may not notice what this process loses if it dies during a write"
            );
        }
    }

    /// Takes one hold back. After the last one, the node is clean.
    pub(crate) fn release(&self, scripts: &Scripts) {
        let mut state = self.state.lock();
        state.holds = state.holds.saturating_sub(1);
        if state.holds == 0 && !state.has_left {
            self.report(&mut state, scripts);
        }
    }

    /// Repeats the last report, because Redis may have lost or refused it. Returns its number,
    /// which Redis returns with the next refresh of the lease.
    pub(crate) fn repeat(&self, scripts: &Scripts) -> u64 {
        let mut state = self.state.lock();
        state.last_check += 1;
        if !state.has_left {
            self.report(&mut state, scripts);
        }
        state.last_check
    }

    /// Checks the number of the last report that Redis has executed. If it is older than
    /// `expected`, the connection is broken.
    pub(crate) fn check(&self, executed: u64, expected: u64) {
        if executed < expected {
            self.close(&mut self.state.lock());
        }
    }

    /// Waits until Redis has executed the reports so far, after [`leave`](Self::leave): a late one
    /// would take a lease again.
    pub(crate) async fn finish(&self) {
        let Some(mut connection) = self.state.lock().connection.take() else {
            return;
        };
        let (sender, executed) = oneshot::channel();
        let wait = move || {
            let reply = connection
                .set_read_timeout(Some(CONNECT_TIMEOUT))
                .and_then(|()| connection.req_command(redis::cmd("CLIENT").arg("REPLY").arg("ON")));
            sender.send(reply)
        };
        // Not in tokio's pool: see `open`. If it fails, a late lease expires.
        let thread = thread::Builder::new().name("rest-live-redis".to_owned());
        if thread.spawn(wait).is_ok() {
            _ = executed.await;
        }
    }

    /// Ends the reports. What is committed from now on is lost without notice if this process dies
    /// before it has appended it.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.has_left = true;
        state.waiting.clear();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().connection.is_some()
    }

    /// Opens the connection, and sends the current report.
    pub(crate) async fn open(&self, scripts: &Scripts) -> RedisResult<()> {
        // The first report has a reply: it shows whether Redis permits and executes the commands.
        let first = {
            let mut state = self.state.lock();
            state.connections += 1;
            scripts.report(&self.node, state.connections, state.last_check, false)
        };
        let client = self.client.clone();
        let (sender, opened) = oneshot::channel();
        // Not in tokio's pool, on which the end of a runtime waits.
        let thread = thread::Builder::new().name("rest-live-redis".to_owned());
        thread.spawn(move || sender.send(connect(&client, &first)))?;
        let gone = io::Error::other("the thread that connects has ended");
        let connection = opened.await.map_err(|_| gone)??;
        let mut state = self.state.lock();
        state.connection = Some(connection);
        self.report(&mut state, scripts);
        if state.connection.is_some() {
            state.is_abandoned = false;
            for waiting in state.waiting.drain(..) {
                // The write may have timed out.
                _ = waiting.send(());
            }
        }
        Ok(())
    }

    fn report(&self, state: &mut State, scripts: &Scripts) {
        let is_clean = state.holds == 0;
        let report = scripts.report(&self.node, state.connections, state.last_check, is_clean);
        if is_clean {
            self.send(state, &[report]);
        } else {
            self.send(state, &[report, scripts.rejoin(&self.node)]);
        }
    }

    fn send(&self, state: &mut State, commands: &[Cmd]) {
        let Some(connection) = &mut state.connection else {
            return;
        };
        // Without replies, nothing has to read from this connection.
        let skip = redis::cmd("CLIENT")
            .arg("REPLY")
            .arg("SKIP")
            .get_packed_command();
        let with_skip = |command: &Cmd| [&*skip, &command.get_packed_command()].concat();
        let bytes: Vec<u8> = commands.iter().flat_map(with_skip).collect();
        let mut sent = connection.send_packed_command(&bytes);
        if self.is_tls && sent.is_ok() {
            // rustls keeps what it could not write, and reports the error with the next write
            // (`rustls::Stream::write`). Redis ignores an empty line.
            sent = connection.send_packed_command(b"\r\n");
        }
        if let Err(error) = sent {
            tracing::debug!(%error, "the connection for leases is broken: it is opened again");
            self.close(state);
        }
    }

    fn close(&self, state: &mut State) {
        if state.connection.take().is_some() {
            self.broken.notify_one();
        }
    }
}

/// Connects, and sends the first report.
fn connect(client: &Client, report: &Cmd) -> RedisResult<Connection> {
    let mut connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
    connection.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    connection.set_write_timeout(Some(SEND_TIMEOUT))?;
    connection.req_command(redis::cmd("CLIENT").arg("REPLY").arg("ON"))?;
    connection.req_command(report)?;
    // rustls also reads if it cannot write.
    connection.set_read_timeout(Some(SEND_TIMEOUT))?;
    Ok(connection)
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("connections", &self.connections)
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}
