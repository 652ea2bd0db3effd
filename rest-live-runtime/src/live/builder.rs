//! Builds a `Live` from a database connection, the registrations and the settings.

mod credentials;
mod reads;
mod scopes;

use std::{
    any::TypeId,
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use sea_orm::DatabaseConnection;
use tokio::{runtime::Handle, sync::watch};

use super::{BuildError, Inner, Live};
use crate::{
    capture::{Database, EventSink, LiveConnection},
    dispatch::{dispatcher::Dispatcher, history::History, replay::Replays},
    hub::Hub,
    limits::Limits,
    log::{EventLog, MemoryLog},
    memory_budget::{MEMORY_BUDGET, MemoryBudget},
    metrics::Metrics,
    model::{
        declaration::Subscribable,
        default_schema::DefaultSchema,
        permission::UserType,
        registration::Registration,
        registry::Registry,
        row_reader::{Prepare, RowReader},
    },
    publish::publisher::Publisher,
    session::{
        authorize_limiter::AuthorizeLimiter,
        catch_up,
        connection_limiter::ConnectionLimiter,
        context::SessionContext,
        origin::{allowed::AllowedOrigins, log_limit::LogLimit},
        other_processes::{OtherProcesses, Reach},
        session_reads::SessionReads,
        shared_request::SharedRequest,
        users::Users,
    },
    transport::tasks::ConnectionTasks,
};

/// Builds a [`Live`]. [`Live::builder`] creates it.
#[must_use = "a builder does nothing until `build`"]
pub struct LiveBuilder<U = ()> {
    db: DatabaseConnection,
    registered: Vec<Registration>,
    discover: bool,
    limits: Limits,
    origins: Vec<String>,
    trusts_forwarded_host: bool,
    users: Users,
    log: Arc<dyn EventLog>,
    replay_capacity: usize,
    max_rows_per_statement: usize,
    shared: Vec<(TypeId, &'static str)>,
    allows_search_path_changes: bool,
    read_db: Option<DatabaseConnection>,
    prepare_reads: Option<Prepare>,
    session_reads: SessionReads,
    memory_budget: usize,
    user_type: PhantomData<fn(U) -> U>,
}

/// The default of [`LiveBuilder::max_rows_per_statement`].
const MAX_ROWS_PER_STATEMENT: usize = 10_000;

impl<U> LiveBuilder<U> {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self {
            session_reads: SessionReads::new(db.clone()),
            db,
            registered: Vec::new(),
            discover: true,
            limits: Limits::default(),
            origins: Vec::new(),
            trusts_forwarded_host: false,
            users: Users::default(),
            log: Arc::new(MemoryLog::default()),
            replay_capacity: History::CAPACITY,
            max_rows_per_statement: MAX_ROWS_PER_STATEMENT,
            shared: Vec::new(),
            allows_search_path_changes: false,
            read_db: None,
            prepare_reads: None,
            memory_budget: MEMORY_BUDGET,
            user_type: PhantomData,
        }
    }
}

impl<U: Send + Sync + 'static> LiveBuilder<U> {
    /// Registers a serializer. Call this method for a serializer in another crate: the linker may
    /// drop that crate if the program names nothing in it. Serializers in the program's own crate
    /// are registered without this method.
    pub fn register<S: Subscribable>(mut self) -> Self {
        self.registered.push(Registration::of::<S>());
        self
    }

    /// Sets whether all `#[subscribable]` serializers that are linked into the program are
    /// registered. Default: `true`. With `false`, only those passed to [`register`](Self::register)
    /// are registered.
    pub fn discover(mut self, discover: bool) -> Self {
        self.discover = discover;
        self
    }

    /// Sets which web pages may open a websocket, in addition to pages of the server's own host and
    /// port. Default: none.
    ///
    /// Requests without an `Origin` header, from clients that are not browsers, are always allowed.
    /// Each call replaces the earlier list. An entry is one of these:
    ///
    /// * An origin such as `https://app.example.com`, with the port if it is not the default port
    ///   of the scheme.
    /// * All subdomains of a domain: `https://*.example.com`. The domain itself is another entry.
    /// * The origin of an installed application, such as `tauri://localhost`,
    ///   `capacitor://localhost`, `file://` or `chrome-extension://<id>`.
    /// * `null`: pages that browsers load from files, and sandboxed frames. Every site can open a
    ///   sandboxed frame, so this entry allows every page.
    /// * `*`: every page. Like `null`, it is safe only if no cookie signs users in.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether the header `X-Forwarded-Host` is the host of this server, if a request has it.
    /// Default: `false`: only the `Host` header counts.
    ///
    /// Set it if a reverse proxy changes `Host` and sends the browser's `Host` in this header, and
    /// if clients can reach this server only through that proxy. The proxy must replace the header
    /// or append to it; the first value counts. A page in a browser cannot set the header of a
    /// websocket.
    pub fn trust_forwarded_host(mut self, trust: bool) -> Self {
        self.trusts_forwarded_host = trust;
        self
    }

    /// Sets the limits of client connections. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the event log. Default: a [`MemoryLog`], which serves one process.
    pub fn log(mut self, log: impl EventLog) -> Self {
        self.log = Arc::new(log);
        self
    }

    /// Sets how many events this server keeps in memory for clients that resume with `since`.
    /// Default: 16,384, counted over all models. The events are kept with their rows, as far as the
    /// [memory budget](Self::memory_budget) allows.
    ///
    /// A client whose cursor is older than these events receives a reset. A server that has just
    /// started reads the events from the log, if several servers share it.
    pub fn replay_capacity(mut self, events: usize) -> Self {
        self.replay_capacity = events;
        self
    }

    /// Sets the maximum number of rows of one statement that are published one by one. Default:
    /// 10,000.
    ///
    /// If a bulk statement writes more rows, the subscribers of its model receive one reset
    /// instead. If a transaction writes more rows than this limit and more than 16,384, the
    /// subscribers of each model that it wrote receive a reset. The capacity of a [`MemoryLog`]
    /// should be larger than this limit.
    pub fn max_rows_per_statement(mut self, rows: usize) -> Self {
        self.max_rows_per_statement = rows;
        self
    }

    /// Sets how many bytes of rows this server keeps in memory. Default: 64 MiB.
    ///
    /// It bounds everything that holds rows or events for a while, in addition to the limits by
    /// number. If something exceeds its part, clients receive resets, never wrong changes:
    ///
    /// * 1/2: the ring of a [`MemoryLog`], or what waits for Redis. Beyond it, the log drops
    ///   events, and a reader that needs them is reset.
    /// * 3/16: past events, for clients that resume. Beyond it, the oldest are forgotten, and
    ///   clients with older cursors are reset.
    /// * 1/8: the events of open transactions, and the rows of one statement. Beyond it, they
    ///   become resets of their models.
    /// * 1/16: replays for clients that resume. Beyond it, the replays that were not used longest
    ///   are forgotten.
    /// * 1/16: states of rows that are being written. Beyond it, if writes of such a row overlap,
    ///   its model is reset.
    /// * 1/16: past events of each row, in a log that other servers also append to. Beyond it, more
    ///   rows are read again.
    ///
    /// A row counts the size of its model and of its texts, bytes, JSON and arrays. Columns that no
    /// serializer, key, `filter` or `check_permission` can read are not kept, and count nothing. An
    /// event that is in the ring and in the history is in memory once, but counts in both.
    ///
    /// The budget does not include what is queued for clients: see
    /// [`Limits::max_pending_bytes`](crate::Limits::max_pending_bytes).
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.memory_budget = bytes;
        self
    }

    /// Checks the registrations and starts the dispatcher on the current tokio runtime.
    ///
    /// # Errors
    /// * [`BuildError::Registry`] with all mistakes in the registered serializers, or with all
    ///   columns that a shared event log cannot carry
    /// * [`BuildError::Origin`] if no page can have an entry of
    ///   [`allowed_origins`](Self::allowed_origins) as its origin
    /// * [`BuildError::NoUserKey`] if connections per user are limited without a
    ///   [`user_key`](Self::user_key)
    /// * [`BuildError::NoRuntime`] if it is called outside a tokio runtime
    pub fn build(self) -> Result<Live<U>, BuildError> {
        let linked = Registration::linked().filter(|_| self.discover);
        let registry = Registry::new(linked.chain(self.registered), UserType::of::<U>());
        let mut registry = registry.map_err(BuildError::Registry)?;
        if self.log.is_shared() {
            registry.check_columns().map_err(BuildError::Registry)?;
        }
        if let Some(log) = self.log.transactional() {
            let captures = |schema: Option<&str>, table: &str| log.captures(schema, table);
            registry
                .leave_capture_to_triggers(captures)
                .map_err(BuildError::Registry)?;
        }
        registry
            .share_between_scopes(&self.shared)
            .map_err(BuildError::Registry)?;
        let registry = Arc::new(registry);
        let origins = AllowedOrigins::new(self.origins, self.trusts_forwarded_host)
            .map_err(|(entry, problem)| BuildError::Origin { entry, problem })?;
        if self.limits.max_connections_per_user.is_some() && self.users.key.is_none() {
            return Err(BuildError::NoUserKey);
        }
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        tracing::info!(
            models = registry.summary(),
            log = self.log.name(),
            "rest-live has started, and these models are live. The event log serves {}",
            Reach(&*self.log)
        );

        let metrics = Arc::new(Metrics::new());
        let (published_sender, published) = watch::channel(None);
        let hub = Arc::new(Hub::new(
            runtime.metrics().num_workers(),
            self.limits.clone(),
            Arc::clone(&metrics),
            published.clone(),
        ));
        let budget = MemoryBudget::new(self.memory_budget);
        self.log.set_memory_budget(budget.log);
        // Created before any write: a tail yields only what is appended after its creation.
        let tail = self.log.tail_while(hub.is_log_awaited());
        let backend = self.db.get_database_backend();
        let allows_switches = self.allows_search_path_changes;
        let default_schema = Arc::new(DefaultSchema::new(backend, allows_switches));
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&registry),
            Arc::clone(&self.log),
            RowReader::new(&self.db, self.read_db, self.prepare_reads),
            Arc::clone(&default_schema),
            Arc::clone(&metrics),
            runtime.clone(),
            budget.order,
        ));
        // For writes that begin before the dispatcher has read where the tail begins.
        if let Some(cursor) = self.log.opened_at() {
            publisher.order.set_read_cursor(cursor);
        }
        let history = Arc::new(History::new(
            Arc::clone(&registry),
            self.replay_capacity,
            budget.history,
        ));
        let replays = Arc::new(Replays::new(budget.replays));
        let dispatcher = Dispatcher {
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            history: Arc::clone(&history),
            replays: Arc::clone(&replays),
            metrics: Arc::clone(&metrics),
            publisher: Arc::clone(&publisher),
            detects_conflicts: self.log.is_shared() && self.log.transactional().is_none(),
            max_conflict_bytes: budget.conflicts,
            published: published_sender,
        };
        let mut tasks = hub.start(&runtime);
        tasks.push(runtime.spawn(dispatcher.run(tail)).abort_handle());
        let database = Database::new(
            Arc::clone(&publisher),
            &self.db,
            self.max_rows_per_statement,
            budget.transactions,
        );
        let sink = EventSink::autocommit(Arc::new(database));
        let log = Arc::clone(&self.log);
        let context = Arc::new(SessionContext {
            registry,
            log: self.log,
            hub,
            history,
            replays,
            published,
            present: SharedRequest::default(),
            appended: SharedRequest::default(),
            default_schema,
            reads: self.session_reads,
            authorize_limiter: AuthorizeLimiter::new(
                self.limits.max_concurrent_authorize,
                metrics.authorize_waiting.clone(),
            ),
            limits: self.limits,
            users: self.users,
            disconnects: AtomicU64::new(0),
            origins,
            connection_limiter: Arc::<ConnectionLimiter>::default(),
            metrics,
            other_processes: OtherProcesses::of(&*log),
            runtime: runtime.clone(),
        });
        tasks.push(
            runtime
                .spawn(catch_up::run(Arc::clone(&context)))
                .abort_handle(),
        );
        Ok(Live {
            inner: Arc::new(Inner {
                db: LiveConnection::new(self.db.clone(), sink),
                publisher,
                plain_sink: OnceLock::new(),
                context,
                tasks,
                runtime,
                origin_warnings: LogLimit::default(),
                connections: ConnectionTasks::default(),
            }),
            users: PhantomData,
        })
    }
}

impl<U> fmt::Debug for LiveBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBuilder")
            .field("registered", &self.registered)
            .field("discover", &self.discover)
            .field("limits", &self.limits)
            .field("origins", &self.origins)
            .field("trusts_forwarded_host", &self.trusts_forwarded_host)
            .field("log", &self.log)
            .field("replay_capacity", &self.replay_capacity)
            .field("max_rows_per_statement", &self.max_rows_per_statement)
            .field("shared", &self.shared)
            .field(
                "allows_search_path_changes",
                &self.allows_search_path_changes,
            )
            .field("memory_budget", &self.memory_budget)
            .finish_non_exhaustive()
    }
}
