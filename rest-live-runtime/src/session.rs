//! One client: who it is, what it says, what it is subscribed to, what waits for it.
//!
//! A session knows no socket and no web framework. A connection feeds it the client's messages
//! ([`Session::receive`]) and sends what it yields ([`Session::outgoing`]).

pub(crate) mod admission;
mod handshake;
pub(crate) mod origin;
pub(crate) mod rate;
pub(crate) mod reauthorize;
mod resume;
mod subscribe;

use std::{fmt, sync::Arc, time::Instant};

use parking_lot::{Mutex, MutexGuard};
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Bytes;
use tracing::{Instrument, Span};

pub use self::handshake::Handshake;
pub(crate) use self::subscribe::authorize;
use self::{
    admission::{ConnectionLimiter, ConnectionPermit},
    origin::Origins,
    rate::Bucket,
};
use crate::{
    data::{cursor::Cursor, token},
    dispatch::{history::History, replay::Replays},
    hub::{Hub, SessionHandle, clients::socket::SharedSocket, shard::drain::Outgoing},
    limits::Limits,
    log::EventLog,
    metrics::{Denial, Metrics},
    model::{permission::Identity, registry::Registry},
    protocol::{
        code::{CloseCode, ErrorCode},
        dialect::{self, Dialect},
        frame::Frame,
        refusal::Refusal,
        request::Message,
        v1,
    },
};

/// Maximum number of bursts of messages that are refused before the connection is closed.
const MAX_REFUSED_BURSTS: u32 = 10;

/// What the sessions of one `Live` have in common.
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) history: Arc<History>,
    pub(crate) replays: Arc<Replays>,
    /// Follows the place up to which all is with the sessions.
    pub(crate) progress: watch::Receiver<Option<Cursor>>,
    pub(crate) db: DatabaseConnection,
    pub(crate) limits: Limits,
    pub(crate) origins: Origins,
    pub(crate) connection_limiter: Arc<ConnectionLimiter>,
    pub(crate) metrics: Arc<Metrics>,
}

/// One client connection. Its subscriptions end when it is dropped.
pub struct Session {
    shared: Arc<Shared>,
    handle: SessionHandle,
    user: Identity,
    /// Whether the client chose v1 by the subprotocol: it is greeted, and pinged where it can see it.
    by_subprotocol: bool,
    conversation: Mutex<Conversation>,
    span: Span,
    permit: Option<Arc<ConnectionPermit>>,
}

/// How far client and server have come.
#[derive(Debug)]
struct Conversation {
    /// Chosen by the first subscription that is granted.
    dialect: Option<Dialect>,
    messages: Bucket,
    resumes: Bucket,
    /// Messages refused since there were few.
    refused: u32,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handshake: Handshake<Identity>,
        user_key: Option<String>,
    ) -> Self {
        let Handshake {
            user,
            address,
            v1: by_subprotocol,
        } = handshake;
        let limits = &shared.limits;
        let name = token::random();
        let span = tracing::info_span!(
            "connection",
            session = name,
            address = address.map(tracing::field::display)
        );
        let dialect = by_subprotocol.then_some(Dialect::V1);
        let handle = shared.hub.join(user.clone(), dialect);
        let permit = shared.connection_limiter.admit(limits, user_key, address);
        if permit.is_none() {
            span.in_scope(|| tracing::debug!("a connection too many is closed"));
            shared.metrics.count_denial(Denial::Connections);
            handle.close(CloseCode::TooMany);
        } else if by_subprotocol {
            handle.answer(v1::hello(&name, limits));
        }
        let now = Instant::now();
        let conversation = Mutex::new(Conversation {
            dialect,
            messages: Bucket::new(limits.message_rate, now),
            resumes: Bucket::new(limits.resume_rate, now),
            refused: 0,
        });
        Self {
            shared,
            handle,
            user,
            by_subprotocol,
            conversation,
            span,
            permit: permit.map(Arc::new),
        }
    }

    fn conversation(&self) -> MutexGuard<'_, Conversation> {
        self.conversation.lock()
    }

    /// Returns the limits that hold for this session.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Returns the permit of the connection, which counts it until it is dropped; `None` if the limits did
    /// not allow one more.
    pub(crate) fn permit(&self) -> Option<Arc<ConnectionPermit>> {
        self.permit.clone()
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the sign of life that is due every [`Limits::ping_interval`] beside the websocket
    /// protocol's own, for clients that cannot see that; `None` for those that did not ask for it.
    pub fn ping(&self) -> Option<Frame> {
        self.by_subprotocol.then(v1::ping)
    }

    /// Takes in one text message of the client. The answer, if there is one, is among what
    /// [`outgoing`](Self::outgoing) yields. One caller at a time.
    ///
    /// It may take as long as an `authorize` of the application takes.
    ///
    /// # Cancel safety
    /// A message whose future is dropped may not have been taken in.
    pub async fn receive(&self, text: &str) {
        let spoken = self.conversation().dialect;
        let Message {
            dialect,
            id,
            request,
        } = dialect::parse(text, spoken, self.shared.limits.max_id_bytes);
        let done = match (self.count_message(), request) {
            (Err(refusal), _) | (Ok(()), Err(refusal)) => Err(refusal),
            (Ok(()), Ok(request)) => {
                self.carry_out(dialect, id.as_ref(), request)
                    .instrument(self.span.clone())
                    .await
            }
        };
        if let Err(refusal) = done {
            let _in = self.span.enter();
            tracing::debug!(code = ?refusal.code, "a message is refused");
            self.answer(dialect.error(&refusal, id.as_ref()));
        }
    }

    /// Counts a message against the rate.
    fn count_message(&self) -> Result<(), Refusal> {
        let rate = self.shared.limits.message_rate;
        let now = Instant::now();
        let mut conversation = self.conversation();
        if conversation.messages.is_full(now) {
            conversation.refused = 0;
        }
        if conversation.messages.take(now) {
            return Ok(());
        }
        conversation.refused += 1;
        self.shared.metrics.count_denial(Denial::Rate);
        if conversation.refused > rate.burst.max(1).saturating_mul(MAX_REFUSED_BURSTS) {
            self.handle.close(CloseCode::TooMany);
        }
        let per_second = rate.per_second;
        Err(Refusal::new(
            ErrorCode::TooManyMessages,
            format!("at most {per_second} messages a second: this one was not carried out"),
        ))
    }

    fn answer(&self, frame: Frame) {
        self.handle.answer(frame);
    }

    /// Waits for what to send next. One caller at a time.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped.
    pub async fn outgoing(&self) -> Outgoing {
        loop {
            let Some(queued) = self.handle.queued() else {
                // The shard writes to a socket.
                return std::future::pending().await;
            };
            match self.handle.outgoing() {
                Some(outgoing) => return outgoing,
                None => queued.notified().await,
            }
        }
    }

    /// Has the session's frames be written to a socket from now on.
    pub(crate) fn attach(&self, socket: Arc<SharedSocket>) {
        self.handle.attach(socket, self.by_subprotocol);
    }

    /// Says that the socket may take more.
    pub(crate) fn writable(&self) {
        self.handle.writable();
    }

    /// Queues the pongs that the client is owed.
    pub(crate) fn pong(&self, pongs: Bytes) {
        self.handle.pong(pongs);
    }

    /// Ends the session once what is queued has left.
    pub(crate) fn close(&self, code: CloseCode) {
        self.handle.close(code);
    }

    /// Ends the session, as its client has, with the answer to that.
    pub(crate) fn closed_by_client(&self, answer: Bytes) {
        self.handle.closed_by_client(answer);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.handle.leave();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.handle).finish()
    }
}
