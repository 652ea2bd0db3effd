//! From a connection and the registrations to a `Live`.

use std::{fmt, sync::Arc};

use sea_orm::DatabaseConnection;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Inner, Live};
use crate::{
    capture::{LiveConnection, Scope},
    declaration::{Registration, Subscribable},
    dispatcher,
    hub::Hub,
    limits::Limits,
    log::{EventLog, MemoryLog},
    registry::{Registry, RegistryError},
    session::Shared,
};

/// Builds a [`Live`].
#[must_use = "a builder does nothing until `build`"]
pub struct LiveBuilder {
    db: DatabaseConnection,
    registered: Vec<Registration>,
    discover: bool,
    limits: Limits,
    log: Arc<dyn EventLog>,
}

impl LiveBuilder {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            registered: Vec::new(),
            discover: true,
            limits: Limits::default(),
            log: Arc::new(MemoryLog::default()),
        }
    }

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

    /// Sets what one client may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the event log. The default is a [`MemoryLog`].
    pub fn log(mut self, log: impl EventLog) -> Self {
        self.log = Arc::new(log);
        self
    }

    /// Checks the registrations and starts the dispatcher on the current tokio runtime.
    ///
    /// # Errors
    /// [`BuildError::Registry`] with all mistakes in what is registered, and
    /// [`BuildError::NoRuntime`] outside a tokio runtime.
    pub fn build(self) -> Result<Live, BuildError> {
        let linked = Registration::linked().filter(|_| self.discover);
        let registry =
            Arc::new(Registry::new(linked.chain(self.registered)).map_err(BuildError::Registry)?);
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        tracing::info!(models = registry.summary(), "live");

        let hub = Arc::new(Hub::default());
        // Before any write: the tail yields what comes after it was made.
        let tail = self.log.tail();
        let (position, progress) = watch::channel(0);
        let dispatcher = runtime.spawn(dispatcher::run(
            tail,
            Arc::clone(&registry),
            Arc::clone(&hub),
            position,
        ));
        let backend = self.db.get_database_backend();
        let scope = Scope::autocommit(
            Arc::clone(&registry),
            Arc::clone(&self.log),
            runtime,
            backend,
        );
        Ok(Live {
            inner: Arc::new(Inner {
                db: LiveConnection::new(self.db, scope),
                sessions: Arc::new(Shared {
                    registry,
                    log: self.log,
                    hub,
                    limits: self.limits,
                }),
                dispatcher: dispatcher.abort_handle(),
                progress,
                connections: TaskTracker::new(),
                abort: CancellationToken::new(),
            }),
        })
    }
}

impl fmt::Debug for LiveBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBuilder")
            .field("registered", &self.registered)
            .field("discover", &self.discover)
            .field("limits", &self.limits)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// Why a [`Live`] could not be built.
#[non_exhaustive]
pub enum BuildError {
    /// Mistakes in what is registered.
    Registry(Vec<RegistryError>),
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
            Self::NoRuntime => f.write_str("Live::builder(..).build() must be called in a tokio runtime, such as under #[tokio::main]"),
        }
    }
}

/// What `fn main() -> Result<..>` prints: the same words, for they say what to do.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
