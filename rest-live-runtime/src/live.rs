//! `Live`: everything of one application, put together.

mod builder;

use std::{
    fmt, io,
    marker::PhantomData,
    panic::resume_unwind,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, task::AbortHandle, time};

pub use self::builder::{BuildError, LiveBuilder};
use crate::{
    capture::{self, LiveConnection, Scope},
    data::cursor::Cursor,
    hub::SessionHandle,
    metrics::Denial,
    model::permission::Identity,
    protocol::{code::CloseCode, refusal::quoted},
    publish::publisher::Publisher,
    session::{self, Handshake, Session, reauthorize},
    transport::{self, Socket, tasks::ConnectionTasks},
};

/// The live side of an application: its connection to the database, its log, its clients.
///
/// Cloning is cheap and gives a handle on the same. When the last handle is dropped, every
/// connection is, too; [`shutdown`](Self::shutdown) ends them with a goodbye.
///
/// `U` is the type of its users, whom permissions are asked about: see
/// [`builder`](Self::builder). Without users it is `()`.
pub struct Live<U = ()> {
    inner: Arc<Inner>,
    users: PhantomData<fn(U) -> U>,
}

struct Inner {
    db: LiveConnection,
    publisher: Arc<Publisher>,
    /// Where hooks on plain connections leave their events, once that was asked for.
    installed: OnceLock<Arc<Scope>>,
    sessions: Arc<session::Shared>,
    user_key: Option<UserKey>,
    /// The dispatcher, and the shards' writers.
    tasks: Vec<AbortHandle>,
    runtime: Handle,
    /// Whether a page of another origin was refused before.
    refused_origin: AtomicBool,
    connections: ConnectionTasks,
}

/// So long a shutdown waits for writes that are under way to be told; others may go on for ever.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// So long a shutdown waits for a shared log to take the goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Tells users apart, for counting their connections.
type UserKey = Box<dyn Fn(&Identity) -> Option<String> + Send + Sync>;

impl<U: Send + Sync + 'static> Live<U> {
    /// Starts to build a `Live` on a connection.
    ///
    /// `U` is the type of the users: `Live::<User>::builder(db)`. The compiler often infers it from the
    /// filter or the permission that the `Live` is used with; an application without users has `()`.
    pub fn builder(db: sea_orm::DatabaseConnection) -> LiveBuilder<U> {
        LiveBuilder::new(db)
    }

    /// Returns the connection whose writes reach subscribers. Use it where the
    /// `DatabaseConnection` was used.
    pub fn db(&self) -> LiveConnection {
        self.inner.db.clone()
    }

    /// Has single-row writes be told that are made on a plain `DatabaseConnection`, too: for an application
    /// that cannot use [`db`](Self::db) everywhere. Its hooks are all that is seen of such a connection, so:
    ///
    /// * `insert`, `update`, `save` and `delete` of a model that commit by themselves are told at once;
    ///   `update_without_returning`, which runs no second hook, two seconds later. A request that is given up
    ///   between an INSERT and its hook is not told.
    /// * What is written in a plain `DatabaseTransaction` is told to nobody, for its end is not seen. The write
    ///   succeeds; an error says so in the application's log once a model, and
    ///   `rest_live_events_withheld_total` counts it.
    /// * Bulk statements and raw SQL are not seen.
    ///
    /// It is about every connection of the process, to whichever database, until this `Live` is dropped or
    /// another is installed: there is one such place in a process.
    pub fn capture_plain_connections(&self) {
        let scope = self.inner.installed.get_or_init(|| {
            let database = Arc::clone(&self.inner.db.scope().database);
            Arc::new(Scope::plain(database))
        });
        capture::set_plain_scope(scope);
    }

    /// Begins the session of a user, for transports. (For tests there is [`testing`](crate::testing).)
    pub fn connect(&self, handshake: impl Into<Handshake<U>>) -> Session {
        let (handshake, user_key) = self.identify(handshake);
        Session::new(Arc::clone(&self.inner.sessions), handshake, user_key)
    }

    /// Returns whether a web page may open a websocket here, for transports: `origin` and `host` are
    /// the headers of the request. A page of the same host may, and those that
    /// [`LiveBuilder::allowed_origins`] lists. A refusal is counted.
    pub fn allows_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let allowed = self.inner.sessions.origins.allow(origin, host);
        if !allowed {
            self.inner.sessions.metrics.count_denial(Denial::Origin);
            let (origin, host) = (quoted(origin), host.map(quoted));
            // Once where the application's developer reads it: anybody can send any number of these.
            match self.inner.refused_origin.swap(true, Ordering::Relaxed) {
                false => tracing::warn!(
                    origin,
                    host,
                    "a web page of another origin is refused: LiveBuilder::allowed_origins lists those that may connect"
                ),
                true => tracing::debug!(origin, host, "a web page of another origin is refused"),
            }
        }
        allowed
    }

    /// Asks again whether the users whom `who` picks may have their subscriptions: every `authorize` of
    /// theirs. Call it when the answer may have changed, after the commit that changes it. A
    /// subscription that is denied now ends, and its client is told `unsubscribed` with 403 (in the
    /// other dialects an error frame); one that nobody can decide on ends with 500 or 503. One that is shown
    /// its rows by another serializer from now on is told to reset.
    ///
    /// Returns how many subscriptions have ended. From then on nothing of what was denied is handed to a
    /// socket, and no subscription is granted by an answer from before. (Where a connection is no plain TCP
    /// connection, but TLS in this process or a Unix socket, what it has begun to write leaves yet.)
    ///
    /// It asks `authorize`, not `check_permission`: what a permission looks at in the user is for the
    /// application to change, or the user to be [disconnected](Self::disconnect). It is about the
    /// connections of this server. `who` must not wait for anything.
    ///
    /// # Cancel safety
    /// It is begun when it is called, and done also if the future is dropped: rights that end do not
    /// depend on who waits for it.
    pub fn reauthorize<W: Fn(&U) -> bool>(
        &self,
        who: W,
    ) -> impl Future<Output = usize> + Send + 'static + use<U, W> {
        let picked = self.pick(who);
        let sessions = Arc::clone(&self.inner.sessions);
        picked.iter().for_each(SessionHandle::reauthorize);
        let asking = self.inner.runtime.spawn(reauthorize::run(sessions, picked));
        async move {
            match asking.await {
                Ok(ended) => ended,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime shuts down, and the connections with it.
                Err(_) => 0,
            }
        }
    }

    /// Closes the connections of the users whom `who` picks, with 4403: their clients do not come back
    /// by themselves. Returns how many. It is about the connections of this server.
    pub fn disconnect(&self, who: impl Fn(&U) -> bool) -> usize {
        let picked = self.pick(who);
        for session in &picked {
            session.close(CloseCode::Forbidden);
        }
        picked.len()
    }

    fn pick(&self, who: impl Fn(&U) -> bool) -> Vec<SessionHandle> {
        let users = self.inner.sessions.hub.users().into_iter();
        let picked = users.filter(|(_, user)| user.downcast().is_some_and(&who));
        picked.map(|(session, _)| session).collect()
    }

    /// Serves a client whose connection is being upgraded to a websocket, in a task of its own.
    /// `upgrade` yields the byte stream and what the client sent right behind its handshake; it may
    /// take as long as [`Limits::handshake`](crate::Limits::handshake_timeout).
    ///
    /// A `TcpStream` is served the fast way: see [`Socket`].
    ///
    /// For transports: the HTTP side of the handshake (RFC 6455, section 4) is theirs.
    pub fn accept<S: Into<Socket>>(
        &self,
        handshake: impl Into<Handshake<U>>,
        upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    ) {
        let (handshake, user_key) = self.identify(handshake);
        let sessions = Arc::clone(&self.inner.sessions);
        let patience = sessions.limits.handshake_timeout;
        let begin = move || Session::new(sessions, handshake, user_key);
        transport::accept(&self.inner.connections, upgrade, begin, patience);
    }

    fn identify(
        &self,
        handshake: impl Into<Handshake<U>>,
    ) -> (Handshake<Identity>, Option<String>) {
        let handshake = handshake.into().map(Identity::new);
        let user_key = self.inner.user_key.as_ref();
        let user_key = user_key.and_then(|key| key(&handshake.user));
        (handshake, user_key)
    }

    /// Returns how many connections are being served, or ended, right now.
    pub fn connections(&self) -> usize {
        self.inner.connections.len()
    }

    /// Returns whether [`shutdown`](Self::shutdown) was called: a new session would be closed at once.
    pub fn is_closed(&self) -> bool {
        self.inner.connections.is_closed()
    }

    /// Ends every session, now and from now on: each client gets what was written before and the
    /// close code 1001; one that speaks v1 is told when to come back, and gets 4503. Returns when the connections are gone, at the latest after
    /// [`Limits::drain`](crate::Limits::drain_timeout), when those that are left are dropped.
    ///
    /// Writes go on to work. Call it before the HTTP server stops.
    ///
    /// # Cancel safety
    /// New sessions are refused in any case; a dropped future may leave the others open.
    pub async fn shutdown(&self) {
        let Inner {
            sessions,
            connections,
            ..
        } = &*self.inner;
        connections.close();
        let drained = time::timeout(sessions.limits.drain_timeout, async {
            _ = time::timeout(LAST_WRITES, self.inner.publisher.drained()).await;
            self.dispatched().await;
            sessions.hub.close(CloseCode::GoingAway);
            connections.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "clients did not answer the close in time: they are dropped"
            );
            sessions.hub.close(CloseCode::GoingAway);
            connections.abort();
            sessions.hub.abandon();
            connections.wait().await;
        }
        if sessions.log.is_shared() {
            self.leave().await;
        }
    }

    /// Says goodbye to the other servers, unless something of this one may be missing in the log: they take it for dead then,
    /// and tell their clients to fetch again.
    async fn leave(&self) {
        let sessions = &self.inner.sessions;
        let told = time::timeout(LAST_WRITES, async {
            self.inner.publisher.drained().await;
            // What of it is to be read again is found out by reading it.
            self.caught_up().await;
            self.inner.publisher.drained().await;
        });
        match told.await {
            Ok(()) => _ = time::timeout(GOODBYE, sessions.log.leave()).await,
            Err(_) => tracing::warn!(
                "this server ends before all that it wrote is told: the others tell their clients to fetch again"
            ),
        }
    }

    /// Returns a place in the log up to which all has happened, for who is about to read rows: a client that subscribes
    /// `since` it misses nothing of what is written from now on. `None` while the log cannot say.
    ///
    /// For transports: it is the `Live-Cursor` of a response whose query begins after this.
    pub fn cursor(&self) -> Option<Cursor> {
        let sessions = &self.inner.sessions;
        let known = sessions.log.known_head();
        known.or_else(|| sessions.progress.borrow().clone())
    }

    /// Waits until everything in the log is with the sessions.
    pub(crate) async fn dispatched(&self) {
        if !*self.inner.sessions.hub.has_subscribers().borrow() {
            // There is nobody that anything is for, and the dispatcher takes its time.
            return;
        }
        self.caught_up().await;
    }

    /// Waits until this server has read all that is in the log.
    async fn caught_up(&self) {
        if let Ok(head) = self.inner.sessions.log.head().await {
            // An error is a dispatcher that ended: nothing more will come.
            _ = self
                .inner
                .sessions
                .progress
                .clone()
                .wait_for(|progress| {
                    // Of another epoch: the tail says so before it goes on.
                    progress.as_ref().is_some_and(|progress| {
                        progress.epoch == head.epoch && progress.position >= head.position
                    })
                })
                .await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.connections.abort();
        self.publisher.abort();
        self.tasks.iter().for_each(AbortHandle::abort);
        self.sessions.hub.abandon();
    }
}

impl<U> Clone for Live<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            users: PhantomData,
        }
    }
}

impl<U> fmt::Debug for Live<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("registry", &self.inner.sessions.registry)
            .finish_non_exhaustive()
    }
}
