//! The session of one client: its user, its dialect, and the execution of its requests.
//!
//! A session does not know its socket or the web framework. A transport passes the client's
//! messages to [`Session::receive`] and sends what [`Session::outgoing`] yields. The subscriptions
//! and the send queue of the client are in the [`Hub`](crate::hub::Hub).

mod authenticate;
mod authorize;
pub(crate) mod authorize_limiter;
mod barrier;
pub(crate) mod catch_up;
pub(crate) mod connection_limiter;
pub(crate) mod context;
mod handshake;
pub(crate) mod origin;
pub(crate) mod other_processes;
pub(crate) mod reauthorize;
mod refusal;
mod request;
mod resume;
pub(crate) mod session_reads;
pub(crate) mod shared_request;
mod subscribe;
mod sync;
mod target;
mod token_bucket;
pub(crate) mod users;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};
use tokio_tungstenite::tungstenite::Bytes;
use tracing::{Instrument, Span};

use self::{
    authorize::authorize, connection_limiter::ConnectionPermit, context::SessionContext,
    sync::Barriers, token_bucket::TokenBucket,
};
pub use self::{handshake::Handshake, origin::forbidden::ForbiddenOrigin};
use crate::{
    data::{random_name::random_name, scope::Scope},
    hub::{
        SessionHandle,
        clients::{expiry::Lifetime, socket::SharedSocket},
        shard::drain::Outgoing,
    },
    limits::Limits,
    metrics::{Denial, Metrics},
    model::permission::Identity,
    protocol::{
        code::{CloseCode, ErrorCode},
        dialect::Dialect,
        frame::Frame,
        parse::parse,
        refusal::Refusal,
        request::Message,
        v1,
    },
};

/// Maximum number of refused bursts of messages. One more message closes the connection.
const MAX_REFUSED_BURSTS: u32 = 10;

/// The session of one client connection. Transports use it.
///
/// [`Live::connect`](crate::Live::connect) creates it. The session and its subscriptions end when
/// it is dropped.
pub struct Session {
    context: Arc<SessionContext>,
    handle: SessionHandle,
    /// The tenant whose changes it receives. Not set until the session has its first user.
    scope: OnceLock<Option<Scope>>,
    /// Whether the transport has set the scope, so that the user does not decide it.
    has_own_scope: bool,
    /// Whether the client chose v1 by the subprotocol. It then receives `hello`, and pings as
    /// messages.
    by_subprotocol: bool,
    conversation: Mutex<Conversation>,
    barriers: Barriers,
    span: Span,
    permit: Option<Arc<ConnectionPermit>>,
}

/// What changes while the client sends messages.
#[derive(Debug)]
struct Conversation {
    /// The dialect of the first granted subscription; `None` before.
    dialect: Option<Dialect>,
    /// Limits messages.
    messages: TokenBucket,
    /// Limits requests with `since`.
    resumes: TokenBucket,
    /// Limits `auth`; most clients never send it.
    auths: Option<Box<TokenBucket>>,
    /// Number of messages refused since `messages` was last full.
    refused: u32,
}

impl Session {
    pub(crate) fn new(context: Arc<SessionContext>, handshake: Handshake<Identity>) -> Self {
        let Handshake {
            user,
            expires_at,
            address,
            v1: by_subprotocol,
            scope: own_scope,
        } = handshake;
        context.other_processes.note_session();
        let limits = &context.limits;
        let user_key = user.as_ref().and_then(|user| context.users.key_of(user));
        let has_own_scope = own_scope.is_some();
        let scope = OnceLock::new();
        if let Some(user) = &user {
            _ = scope.set(own_scope.or_else(|| context.users.scope_of(user)));
        } else if has_own_scope {
            _ = scope.set(own_scope);
        }
        let remaining = expires_at.map(remaining);
        let has_user = user.is_some();
        let has_expired = remaining.is_some_and(|remaining| remaining.is_zero());
        let name = random_name();
        let span = tracing::info_span!(
            "connection",
            session = name,
            address = address.map(tracing::field::display)
        );
        let dialect = by_subprotocol.then_some(Dialect::V1);
        let handle = context.hub.join(user.filter(|_| !has_expired), dialect);
        let permit = context.connection_limiter.admit(limits, user_key, address);
        if permit.is_none() {
            span.in_scope(|| {
                tracing::debug!("a connection exceeds a limit: it is closed with 4429");
            });
            context.metrics.count_denial(Denial::Connections);
            handle.close(CloseCode::TooMany);
        } else if has_expired {
            span.in_scope(|| {
                tracing::debug!(
                    "the credentials of a request have expired: the connection is closed with 4401"
                );
            });
            context.metrics.count_denial(Denial::SignIn);
            handle.close(CloseCode::Unauthenticated);
        } else if by_subprotocol {
            handle.answer(v1::hello(&name, limits));
        }
        handle.set_lifetime(match (remaining, has_user, limits.auth_timeout) {
            (Some(remaining), true, _) => Lifetime::Credentials {
                remaining,
                by_message: false,
            },
            (_, false, Some(timeout)) => Lifetime::Unauthenticated(timeout),
            _ => Lifetime::Unlimited,
        });
        let now = Instant::now();
        let conversation = Mutex::new(Conversation {
            dialect,
            messages: TokenBucket::new(limits.message_rate, now),
            resumes: TokenBucket::new(limits.resume_rate, now),
            auths: None,
            refused: 0,
        });
        Self {
            context,
            handle,
            scope,
            has_own_scope,
            by_subprotocol,
            conversation,
            barriers: Barriers::default(),
            span,
            permit: permit.map(Arc::new),
        }
    }

    /// Warns if several processes may serve the port of this connection without a shared log.
    pub(crate) fn check_listener(&self, stream: &tokio::net::TcpStream) {
        self.context.other_processes.check_listener(stream);
    }

    fn conversation(&self) -> MutexGuard<'_, Conversation> {
        self.conversation.lock()
    }

    /// Returns the tenant whose changes it receives.
    fn scope(&self) -> Option<&Scope> {
        self.scope.get().and_then(Option::as_ref)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.context.limits
    }

    /// Returns the time between two pings to the client; `None` if the transport sends none. See
    /// [`Limits::ping_interval`].
    pub fn ping_interval(&self) -> Option<Duration> {
        self.context.limits.ping_interval
    }

    /// Returns how long the client may send nothing before the transport closes with
    /// [`CloseCode::Silent`]; `None` for no limit. See [`Limits::idle_timeout`].
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.context.limits.idle_timeout
    }

    /// Returns the maximum size of a message from the client, in bytes. For a larger one, the
    /// transport closes with [`CloseCode::TooBig`]. See [`Limits::max_message_bytes`].
    pub fn max_message_bytes(&self) -> usize {
        self.context.limits.max_message_bytes
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// Returns the permit of the connection, which counts until its last clone is dropped. `None`
    /// if the limits did not allow the connection.
    pub(crate) fn permit(&self) -> Option<Arc<ConnectionPermit>> {
        self.permit.clone()
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Queues the ping message of v1, if the client chose v1 by the subprotocol;
    /// [`outgoing`](Self::outgoing) yields it. The transport calls this method every
    /// [`ping_interval`](Self::ping_interval), in addition to the ping of the websocket protocol,
    /// which browsers do not show to a page.
    pub fn ping(&self) {
        if self.by_subprotocol {
            self.handle.ping();
        }
    }

    /// Processes one text message of the client. [`outgoing`](Self::outgoing) yields the answer, if
    /// there is one. Await each call before you make the next one.
    ///
    /// A call may take as long as the application's `authorize` function.
    ///
    /// # Cancel safety
    /// Not safe: if the future is dropped, the message may not have been processed.
    pub async fn receive(&self, text: &str) {
        let current = self.conversation().dialect;
        let Message {
            dialect,
            id,
            request,
        } = parse(text, current, self.context.limits.max_id_bytes);
        let result = match (self.count_message(), request) {
            (Err(refusal), _) | (Ok(()), Err(refusal)) => Err(refusal),
            (Ok(()), Ok(request)) => {
                self.execute(dialect, id.as_ref(), request)
                    .instrument(self.span.clone())
                    .await
            }
        };
        if let Err(refusal) = result {
            let _entered = self.span.enter();
            tracing::debug!(code = ?refusal.code, "a message is refused");
            let registry = &self.context.registry;
            let order = |model: &str, keys: &[&str]| registry.order_of_keys(model, keys);
            self.answer(dialect.error(&refusal, id.as_ref(), text, &order));
        }
    }

    /// Counts a message against the rate limit.
    fn count_message(&self) -> Result<(), Refusal> {
        let rate = self.context.limits.message_rate;
        let now = Instant::now();
        let mut conversation = self.conversation();
        if conversation.messages.is_full(now) {
            conversation.refused = 0;
        }
        if conversation.messages.take(now) {
            return Ok(());
        }
        conversation.refused += 1;
        self.context.metrics.count_denial(Denial::Rate);
        if conversation.refused > rate.burst.max(1).saturating_mul(MAX_REFUSED_BURSTS) {
            self.handle.close(CloseCode::TooMany);
        }
        let per_second = rate.per_second;
        Err(Refusal::new(
            ErrorCode::TooManyMessages,
            format!("too many messages: at most {per_second} a second are allowed"),
        ))
    }

    /// Returns whether the client is too slow, and what it missed has not been replayed to it.
    pub(crate) fn is_behind(&self) -> bool {
        self.handle.is_behind()
    }

    fn answer(&self, frame: Frame) {
        self.handle.answer(frame);
    }

    /// Waits for the next frames, or the close, to send to the client. Do not await two calls at
    /// once.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost if the future is dropped.
    pub async fn outgoing(&self) -> Outgoing {
        loop {
            let Some(queued) = self.handle.queued() else {
                // The shard writes to the socket itself.
                return std::future::pending().await;
            };
            match self.handle.outgoing() {
                Some(outgoing) => return outgoing,
                None => queued.notified().await,
            }
        }
    }

    /// Lets the shard write the session's frames to a socket from now on.
    pub(crate) fn attach(&self, socket: Arc<SharedSocket>) {
        self.handle.attach(socket, self.by_subprotocol);
    }

    /// Declares that the socket accepts data again.
    pub(crate) fn writable(&self) {
        self.handle.writable();
    }

    /// Queues the pongs that the client is owed.
    pub(crate) fn pong(&self, pongs: Bytes) {
        self.handle.pong(pongs);
    }

    /// Ends the session after the queued frames are sent.
    pub(crate) fn close(&self, code: CloseCode) {
        self.handle.close(code);
    }

    /// Ends the session after its client sent a close frame. `answer` is the close frame to send.
    pub(crate) fn closed_by_client(&self, answer: Bytes) {
        self.handle.closed_by_client(answer);
    }
}

/// Returns how long it takes until a time; zero if the time is past.
fn remaining(until: SystemTime) -> Duration {
    until.duration_since(SystemTime::now()).unwrap_or_default()
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
