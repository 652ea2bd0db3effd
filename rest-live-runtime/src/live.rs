//! `Live`: the public handle of an application's live side. It owns all other parts.

mod build_error;
mod builder;
mod shutdown;
mod write_cursor;

use std::{
    fmt, io,
    marker::PhantomData,
    net::IpAddr,
    panic::resume_unwind,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Instant,
};

use tokio::{runtime::Handle, task::AbortHandle};

pub use self::{build_error::BuildError, builder::LiveBuilder};
use crate::{
    capture::{self, EventSink, LiveConnection},
    data::cursor::Cursor,
    hub::SessionHandle,
    metrics::Denial,
    model::permission::Identity,
    protocol::code::CloseCode,
    publish::publisher::Publisher,
    session::{
        ForbiddenOrigin, Handshake, Session,
        context::SessionContext,
        origin::{allowed::OriginHeaders, log_limit::LogLimit},
        reauthorize,
    },
    transport::{self, Socket, tasks::ConnectionTasks},
};

/// The live side of an application: its connection to the database, its event log and its clients.
///
/// Clones are cheap: each is a handle to the same `Live`. When the last handle is dropped, the
/// server drops all client connections without a close frame. Call [`shutdown`](Self::shutdown) to
/// close them properly.
///
/// `U` is the type of a user, which permissions receive. It is `()` for an application without
/// users.
pub struct Live<U = ()> {
    inner: Arc<Inner>,
    users: PhantomData<fn(U) -> U>,
}

struct Inner {
    db: LiveConnection,
    publisher: Arc<Publisher>,
    /// Where hooks on plain connections record their events, if the application captures these.
    plain_sink: OnceLock<Arc<EventSink>>,
    context: Arc<SessionContext>,
    /// The dispatcher, and the writers of the shards.
    tasks: Vec<AbortHandle>,
    runtime: Handle,
    /// Limits the warnings about refused web pages, which any client can cause.
    origin_warnings: LogLimit,
    connections: ConnectionTasks,
}

impl<U: Send + Sync + 'static> Live<U> {
    /// Creates a builder for a `Live` on a database connection.
    ///
    /// Write the type of your users as `U`: `Live::<User>::builder(db)`. Without users, `U` is
    /// `()`. You can omit `U` if the compiler can infer it, for example because you pass the `Live`
    /// to a transport.
    pub fn builder(db: sea_orm::DatabaseConnection) -> LiveBuilder<U> {
        LiveBuilder::new(db)
    }

    /// Returns the connection whose writes reach subscribers. Use it in place of the
    /// `DatabaseConnection`.
    pub fn db(&self) -> LiveConnection {
        self.inner.db.clone()
    }

    /// Also captures single-row writes on plain `DatabaseConnection`s, for an application that
    /// cannot use [`db`](Self::db) everywhere.
    ///
    /// On such a connection only the hooks of the models run, so the capture has limits:
    ///
    /// * An `insert`, `update`, `save` or `delete` outside a transaction is published at once.
    ///   SeaORM runs no hook after `update_without_returning`, so this update is published two
    ///   seconds later. If the future of an insert is dropped after the INSERT and before the hook,
    ///   the insert is not published.
    /// * Writes in a plain `DatabaseTransaction` succeed but are not published, because rest-live
    ///   cannot see whether the transaction commits. The application log contains one error for
    ///   each model. The metric `rest_live_events_withheld_total` counts these writes.
    /// * Bulk statements and raw SQL are not captured.
    ///
    /// This affects all connections of the process, to any database, until this `Live` is dropped.
    /// Only one `Live` of a process can capture plain connections: the one that called this method
    /// last.
    pub fn capture_plain_connections(&self) {
        let sink = self.inner.plain_sink.get_or_init(|| {
            let database = Arc::clone(&self.inner.db.sink().database);
            Arc::new(EventSink::plain(database))
        });
        capture::set_plain_sink(sink);
    }

    /// Begins a session for a user. Transports call this method. Tests use
    /// [`testing::Client`](crate::testing::Client) instead.
    ///
    /// If the connection exceeds a limit, the session is closed at once with
    /// [`CloseCode::TooMany`].
    pub fn connect(&self, handshake: impl Into<Handshake<U>>) -> Session {
        let handshake = handshake.into().map(Identity::new);
        Session::new(Arc::clone(&self.inner.context), handshake)
    }

    /// Checks whether a web page may open a websocket. Transports call this method with the headers
    /// `Origin`, `Host` and `X-Forwarded-Host` of a request that has an `Origin`, and respond with
    /// status 403 and the text of the error if the page may not.
    ///
    /// A page may connect if its host and port are those of `host`, or if its origin is one of
    /// [`LiveBuilder::allowed_origins`]. With [`LiveBuilder::trust_forwarded_host`],
    /// `forwarded_host` takes the place of `host` if the request has it.
    ///
    /// # Errors
    /// The page may not connect. The text of the error contains the headers and the line that
    /// allows the page. Each refusal is counted in the metric `rest_live_denials_total`. One
    /// refusal per minute is also a warning in the application log.
    pub fn check_origin(
        &self,
        origin: &str,
        host: Option<&str>,
        forwarded_host: Option<&str>,
    ) -> Result<(), ForbiddenOrigin> {
        let headers = OriginHeaders {
            origin,
            host,
            forwarded_host,
        };
        let checked = self.inner.context.origins.check(&headers);
        if let Err(forbidden) = &checked {
            self.inner.context.metrics.count_denial(Denial::Origin);
            // They are in quotes already.
            let origin = tracing::field::display(forbidden.origin());
            let host = forbidden.host().map(tracing::field::display);
            let forwarded_host = forbidden.forwarded_host().map(tracing::field::display);
            let remedy = forbidden.remedy();
            if let Some(suppressed) = self.inner.origin_warnings.admit(Instant::now()) {
                tracing::warn!(
                    origin,
                    host,
                    forwarded_host,
                    suppressed,
                    "a web page of another origin may not open a websocket: its request was refused with status 403. {remedy} At most one of these warnings is logged per minute; the others have level debug"
                );
            } else {
                tracing::debug!(
                    origin,
                    host,
                    forwarded_host,
                    "a web page of another origin may not open a websocket: its request was refused with status 403. {remedy}"
                );
            }
        }
        checked
    }

    /// Calls every `authorize` again for the subscriptions of the users that `predicate` selects.
    /// Call this method when `authorize` may return another answer, after the commit that changes
    /// the answer.
    ///
    /// Returns how many subscriptions have ended:
    ///
    /// * A subscription that is now denied ends. Its client receives `unsubscribed` with code 403,
    ///   or an error message in the other dialects.
    /// * A subscription whose `authorize` fails ends with code 500. If `authorize` takes longer
    ///   than [`Limits::authorize_timeout`](crate::Limits::authorize_timeout), the code is 503.
    /// * A subscription that is still granted, but with another serializer, continues. Its client
    ///   receives a reset.
    ///
    /// After the future completes, the server writes no message of a denied subscription to a
    /// socket, and grants no subscription because of an older answer. On a connection that is not
    /// plain TCP (TLS in this process, a Unix socket), a write that has begun still completes.
    ///
    /// This method does not call `check_permission`, which receives the user of the handshake, or
    /// of the last token that the client has sent. If that user is out of date, close the user's
    /// connections with [`disconnect`](Self::disconnect). Only connections of this server are
    /// affected, and none without a user. `predicate` must not block.
    ///
    /// # Cancel safety
    /// Safe: the work starts when the method is called. It completes even if the future is dropped.
    pub fn reauthorize<P: Fn(&U) -> bool>(
        &self,
        predicate: P,
    ) -> impl Future<Output = usize> + Send + 'static + use<U, P> {
        let sessions = self.sessions_of(predicate);
        let context = Arc::clone(&self.inner.context);
        sessions.iter().for_each(SessionHandle::reauthorize);
        let task = self
            .inner
            .runtime
            .spawn(reauthorize::run(context, sessions));
        async move {
            match task.await {
                Ok(ended) => ended,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime shuts down, and the connections with it.
                Err(_) => 0,
            }
        }
    }

    /// Closes the connections of the users that `predicate` selects, with code 4403. Clients do not
    /// reconnect by themselves after this code. Returns how many connections it closes. Only
    /// connections of this server are affected, and none without a user. A token that a client has
    /// sent, and that is being checked, is checked again: so withdraw a token before this call.
    pub fn disconnect(&self, predicate: impl Fn(&U) -> bool) -> usize {
        let disconnects = &self.inner.context.disconnects;
        disconnects.fetch_add(1, Ordering::SeqCst);
        let sessions = self.sessions_of(predicate);
        for session in &sessions {
            session.close(CloseCode::Forbidden);
        }
        sessions.len()
    }

    /// Returns the sessions of the users that `predicate` selects.
    fn sessions_of(&self, predicate: impl Fn(&U) -> bool) -> Vec<SessionHandle> {
        let users = self.inner.context.hub.users().into_iter();
        let selected = users.filter(|(_, user)| user.downcast().is_some_and(&predicate));
        selected.map(|(session, _)| session).collect()
    }

    /// Serves a client in a task of its own. Transports call this method.
    ///
    /// `upgrade` yields the byte stream after the upgrade to a websocket, and the bytes that the
    /// client sent directly after its handshake. If `upgrade` fails, or takes longer than
    /// [`Limits::handshake_timeout`](crate::Limits::handshake_timeout), the connection is dropped.
    /// The transport itself must perform the HTTP side of the handshake (RFC 6455, section 4).
    ///
    /// A plain `TcpStream` is served on a fast path: see [`Socket`].
    ///
    /// # Panics
    /// If it is called outside a tokio runtime.
    pub fn accept<S: Into<Socket>>(
        &self,
        handshake: impl Into<Handshake<U>>,
        upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    ) {
        let handshake = handshake.into().map(Identity::new);
        let context = Arc::clone(&self.inner.context);
        let handshake_timeout = context.limits.handshake_timeout;
        let begin = move || Session::new(context, handshake);
        transport::accept(&self.inner.connections, upgrade, begin, handshake_timeout);
    }

    /// Closes a connection whose user could not sign in, after its upgrade to a websocket.
    /// Transports call this method instead of [`accept`](Self::accept).
    ///
    /// Browsers hide the status of a refused websocket from the page. So the transport accepts the
    /// websocket, and the server closes it at once with `code`: [`CloseCode::Unauthenticated`] or
    /// [`CloseCode::Forbidden`]. No request of the client is read. The connection counts for
    /// [`Limits::max_connections`](crate::Limits::max_connections) and
    /// [`Limits::max_connections_per_address`](crate::Limits::max_connections_per_address) until
    /// its client has closed it, for at most five seconds. Over a limit, the code is
    /// [`CloseCode::TooMany`].
    ///
    /// # Panics
    /// If it is called outside a tokio runtime.
    pub fn refuse<S: Into<Socket>>(
        &self,
        code: CloseCode,
        address: Option<IpAddr>,
        upgrade: impl Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
    ) {
        let context = Arc::clone(&self.inner.context);
        context.metrics.count_denial(Denial::SignIn);
        let handshake_timeout = context.limits.handshake_timeout;
        let admit = move || {
            let permit = context
                .connection_limiter
                .admit(&context.limits, None, address);
            if permit.is_none() {
                context.metrics.count_denial(Denial::Connections);
            }
            permit
        };
        let connections = &self.inner.connections;
        transport::refusal::refuse(connections, upgrade, admit, code, handshake_timeout);
    }

    /// Returns the number of connections that are being upgraded, served or closed.
    pub fn connections(&self) -> usize {
        self.inner.connections.len()
    }

    /// Returns whether [`shutdown`](Self::shutdown) was called. From then on, new sessions are
    /// closed at once.
    pub fn is_closed(&self) -> bool {
        self.inner.connections.is_closed()
    }

    /// Returns the current cursor of the event log. Call it before you read rows. A client that
    /// then subscribes with this cursor as `since` receives every later change. Returns `None` if
    /// the position of the log is not known yet.
    ///
    /// Transports send the cursor as the `Live-Cursor` header of a response. They call this method
    /// before the handler runs its query.
    ///
    /// If you keep the rows in a cache, store the cursor with them, and send the stored cursor with
    /// each response from the cache. With a newer cursor, the client would miss the changes after
    /// the rows were read.
    pub fn cursor(&self) -> Option<Cursor> {
        let context = &self.inner.context;
        let head = context.log.known_head();
        head.or_else(|| {
            let published = context.published.borrow();
            Some(published.as_ref()?.cursor.clone())
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let SessionContext {
            log,
            other_processes,
            ..
        } = &*self.context;
        other_processes.report_end(&**log);
        self.connections.abort();
        self.publisher.abort();
        self.tasks.iter().for_each(AbortHandle::abort);
        self.context.hub.abandon();
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
            .field("registry", &self.inner.context.registry)
            .finish_non_exhaustive()
    }
}
