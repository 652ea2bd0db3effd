//! From a connection and the registrations to a `Live`.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use sea_orm::DatabaseConnection;
use tokio::{runtime::Handle, sync::watch};

use super::{Inner, Live, UserKey};
use crate::{
    capture::{Database, LiveConnection, Scope},
    dispatch::{dispatcher::Dispatcher, history::History, replay::Replays},
    hub::Hub,
    limits::Limits,
    log::{EventLog, MemoryLog},
    metrics::Metrics,
    model::{
        declaration::{Registration, Subscribable},
        permission::{Identity, UserType},
        registry::{Registry, RegistryError},
    },
    publish::publisher::Publisher,
    session::{Shared, admission::ConnectionLimiter, origin::Origins},
    transport::tasks::ConnectionTasks,
};

/// Builds a [`Live`].
#[must_use = "a builder does nothing until `build`"]
pub struct LiveBuilder<U = ()> {
    db: DatabaseConnection,
    registered: Vec<Registration>,
    discover: bool,
    limits: Limits,
    origins: Vec<String>,
    user_key: Option<UserKey>,
    log: Arc<dyn EventLog>,
    replay_capacity: usize,
    max_rows_per_statement: usize,
    users: PhantomData<fn(U) -> U>,
}

/// The default of [`LiveBuilder::max_rows_per_statement`].
const MAX_ROWS_PER_STATEMENT: usize = 10_000;

impl<U> LiveBuilder<U> {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            registered: Vec::new(),
            discover: true,
            limits: Limits::default(),
            origins: Vec::new(),
            user_key: None,
            log: Arc::new(MemoryLog::default()),
            replay_capacity: History::CAPACITY,
            max_rows_per_statement: MAX_ROWS_PER_STATEMENT,
            users: PhantomData,
        }
    }
}

impl<U: Send + Sync + 'static> LiveBuilder<U> {
    /// Registers a serializer. Those of the program's own crate are found without; one of another
    /// crate is found only if something of that crate is named, which this does.
    pub fn register<S: Subscribable>(mut self) -> Self {
        self.registered.push(Registration::of::<S>());
        self
    }

    /// Sets whether every `#[subscribable]` linked into the program is registered without
    /// [`register`](Self::register): the default is yes.
    pub fn discover(mut self, discover: bool) -> Self {
        self.discover = discover;
        self
    }

    /// Sets the web pages that may open a websocket, besides those of the server's own host and port:
    /// origins such as `https://app.example.com`, with the port where it is not the scheme's own; `*`
    /// is every page. Clients that are no browsers send no `Origin`, and are not asked for one.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what tells one user from another, for [`Limits::max_connections_per_user`]: an id, a name.
    /// `None` is not counted.
    pub fn user_key(mut self, key: impl Fn(&U) -> Option<String> + Send + Sync + 'static) -> Self {
        self.user_key = Some(Box::new(move |user: &Identity| {
            user.downcast().and_then(&key)
        }));
        self
    }

    /// Sets what clients may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the event log. The default is a [`MemoryLog`].
    pub fn log(mut self, log: impl EventLog) -> Self {
        self.log = Arc::new(log);
        self
    }

    /// Sets how many events this server keeps at hand for clients that come back `since` a cursor: the default is 16,384, the last
    /// of all models. Who comes from before them is told to reset. They are kept in memory, with their rows; the server that has just
    /// started reads them from a log that others share.
    pub fn replay_capacity(mut self, events: usize) -> Self {
        self.replay_capacity = events;
        self
    }

    /// Sets how many rows of one statement are told one by one: the default is 10,000. Where a bulk statement
    /// writes more, the model's subscribers are told to fetch again, once; so are those of the models of a transaction that
    /// writes more than this and more than 16,384. A [`MemoryLog`] should keep more events than that.
    pub fn max_rows_per_statement(mut self, rows: usize) -> Self {
        self.max_rows_per_statement = rows;
        self
    }

    /// Checks the registrations and starts the dispatcher on the current tokio runtime.
    ///
    /// # Errors
    /// [`BuildError::Registry`] with all mistakes in what is registered, [`BuildError::Origin`],
    /// [`BuildError::NoUserKey`], and [`BuildError::NoRuntime`] outside a tokio runtime.
    pub fn build(self) -> Result<Live<U>, BuildError> {
        let linked = Registration::linked().filter(|_| self.discover);
        let registry = Registry::new(linked.chain(self.registered), UserType::of::<U>());
        let mut registry = registry.map_err(BuildError::Registry)?;
        if let Some(log) = self.log.transactional() {
            let captures = |schema: Option<&str>, table: &str| log.captures(schema, table);
            let left = registry.leave_capture_to_triggers(captures);
            left.map_err(BuildError::Registry)?;
        }
        let registry = Arc::new(registry);
        let origins = Origins::new(self.origins).map_err(BuildError::Origin)?;
        if self.limits.max_connections_per_user.is_some() && self.user_key.is_none() {
            return Err(BuildError::NoUserKey);
        }
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        tracing::info!(models = registry.summary(), "live");

        let metrics = Arc::new(Metrics::new());
        let hub = Arc::new(Hub::new(
            runtime.metrics().num_workers(),
            self.limits.clone(),
            Arc::clone(&metrics),
        ));
        // Before any write: the tail yields what comes after it was made.
        let tail = self.log.tail();
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&registry),
            Arc::clone(&self.log),
            self.db.clone(),
            Arc::clone(&metrics),
            runtime.clone(),
        ));
        let (position, progress) = watch::channel(None);
        let history = Arc::new(History::new(Arc::clone(&registry), self.replay_capacity));
        let replays = Arc::new(Replays::new());
        let dispatcher = Dispatcher {
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            history: Arc::clone(&history),
            replays: Arc::clone(&replays),
            metrics: Arc::clone(&metrics),
            publisher: Arc::clone(&publisher),
            detects_conflicts: self.log.is_shared() && self.log.transactional().is_none(),
            progress: position,
        };
        let mut tasks = hub.start(&runtime);
        tasks.push(runtime.spawn(dispatcher.run(tail)).abort_handle());
        let database = Database::new(
            Arc::clone(&publisher),
            &self.db,
            self.max_rows_per_statement,
        );
        let scope = Scope::autocommit(Arc::new(database));
        Ok(Live {
            inner: Arc::new(Inner {
                db: LiveConnection::new(self.db.clone(), scope),
                publisher,
                installed: OnceLock::new(),
                sessions: Arc::new(Shared {
                    registry,
                    log: self.log,
                    hub,
                    history,
                    replays,
                    progress,
                    db: self.db,
                    limits: self.limits,
                    origins,
                    connection_limiter: Arc::<ConnectionLimiter>::default(),
                    metrics,
                }),
                user_key: self.user_key,
                tasks,
                runtime,
                refused_origin: AtomicBool::new(false),
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
            .field("log", &self.log)
            .field("replay_capacity", &self.replay_capacity)
            .field("max_rows_per_statement", &self.max_rows_per_statement)
            .finish_non_exhaustive()
    }
}

/// Why a [`Live`] could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Mistakes in what is registered.
    Registry(Vec<RegistryError>),
    /// A text among [`LiveBuilder::allowed_origins`] that is no origin.
    Origin(String),
    /// Connections are limited per user, and nothing says who is who.
    NoUserKey,
    /// There is no tokio runtime to run on.
    NoRuntime,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(errors) => {
                write!(f, "{} in what is registered:", if errors.len() == 1 { "a mistake" } else { "mistakes" })?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Origin(text) => write!(f, "{text:?} is no origin: write scheme, host and port, and nothing behind them, such as \"https://app.example.com\""),
            Self::NoUserKey => f.write_str("Limits::max_connections_per_user is set, and nothing says which connections are of one user: write .user_key(|user| ..)"),
            Self::NoRuntime => f.write_str("Live::builder(..).build() must be called in a tokio runtime, such as under #[tokio::main]"),
        }
    }
}

impl std::error::Error for BuildError {}
