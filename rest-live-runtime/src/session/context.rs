//! What the sessions of one `Live` share.

use std::sync::{Arc, atomic::AtomicU64};

use tokio::{runtime::Handle, sync::watch};

use super::{
    authorize_limiter::AuthorizeLimiter, connection_limiter::ConnectionLimiter,
    origin::allowed::AllowedOrigins, other_processes::OtherProcesses, session_reads::SessionReads,
    shared_request::SharedRequest, users::Users,
};
use crate::{
    data::cursor::Cursor,
    dispatch::{history::History, replay::Replays},
    hub::{Hub, published::Published},
    limits::Limits,
    log::{EventLog, Present},
    metrics::Metrics,
    model::{default_schema::DefaultSchema, registry::Registry},
};

pub(crate) struct SessionContext {
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) history: Arc<History>,
    pub(crate) replays: Arc<Replays>,
    /// How far the dispatcher has published the log; `None` until the log has begun.
    pub(crate) published: watch::Receiver<Option<Published>>,
    /// The requests for the present of the log; `None` if the log could not be reached.
    pub(crate) present: SharedRequest<Option<Present>>,
    /// The requests for what this node has appended; `None` if that is not known.
    pub(crate) appended: SharedRequest<Option<Cursor>>,
    pub(crate) default_schema: Arc<DefaultSchema>,
    pub(crate) reads: SessionReads,
    pub(crate) authorize_limiter: AuthorizeLimiter,
    pub(crate) limits: Limits,
    pub(crate) users: Users,
    /// Number of calls of [`Live::disconnect`](crate::Live::disconnect): a token that was checked
    /// before the last one is checked again.
    pub(crate) disconnects: AtomicU64,
    pub(crate) origins: AllowedOrigins,
    pub(crate) connection_limiter: Arc<ConnectionLimiter>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) other_processes: OtherProcesses,
    /// Runs the tasks of sessions that must not delay their requests.
    pub(crate) runtime: Handle,
}
