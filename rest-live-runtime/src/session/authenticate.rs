//! Authenticates a connection by a token that its client sends.

use std::{
    sync::atomic::Ordering,
    time::{Instant, SystemTime},
};

use sea_orm::{DbErr, RuntimeErr};
use tokio::time::timeout;

use super::{
    Session, reauthorize,
    refusal::{check_unavailable, internal},
    remaining,
    token_bucket::TokenBucket,
    users::{AuthError, Authenticated, Tokens},
};
use crate::{
    data::scope::Scope,
    hub::{
        clients::expiry::Lifetime,
        shard::credentials::{NewUser, SetUser},
    },
    metrics::Denial,
    model::permission::Identity,
    protocol::{
        code::{CloseCode, ErrorCode},
        id::Id,
        refusal::Refusal,
        request::Token,
        v1,
    },
    user_code,
};

/// Maximum number of times that a token is checked again because users were disconnected meanwhile.
const MAX_ATTEMPTS: usize = 8;

impl Session {
    /// Replaces the user of the session by the user of a token. When the answer is queued, nothing
    /// that only the earlier user may see is sent any more.
    pub(super) async fn authenticate(&self, id: Option<&Id>, token: Token) -> Result<(), Refusal> {
        let context = &*self.context;
        let Some(tokens) = &context.users.tokens else {
            return Err(Refusal::new(
                ErrorCode::UnknownShape,
                "this server accepts no tokens by `auth`",
            ));
        };
        self.count_auth()?;
        // One permit for all calls of the application: for the token, and for each subscription.
        let wait = context.limits.authorize_wait_timeout;
        let permit = context.authorize_limiter.admit_request(wait).await;
        let permit = permit.map_err(|_| {
            tracing::debug!("`auth` waited longer than authorize_wait_timeout: error 503");
            self.deny(check_unavailable())
        })?;
        if permit.has_waited && self.handle.is_gone() {
            return Ok(());
        }
        let mut attempts = 0;
        let (scope, user_key, expires_at) = loop {
            let disconnects = context.disconnects.load(Ordering::SeqCst);
            let is_current = || context.disconnects.load(Ordering::SeqCst) == disconnects;
            let (user, expires_at) = self.user_of(tokens, &token).await?;
            let (scope, user_key, new) = self.new_user(tokens, user, expires_at)?;
            let registry = &context.registry;
            let is_decided = |group: &_| registry.group_entry(group).1.has_permission();
            match self.handle.set_user(&new, is_current, is_decided) {
                SetUser::Set => break (scope, user_key, expires_at),
                SetUser::Gone => return Ok(()),
                // The token may belong to one of these users, and be withdrawn.
                SetUser::Outdated if attempts < MAX_ATTEMPTS => attempts += 1,
                SetUser::Outdated => return Err(self.deny(check_unavailable())),
            }
        };
        _ = self.scope.set(scope);
        let permit_of_user = self.permit.as_ref();
        if permit_of_user.is_some_and(|p| !p.change_user(&context.limits, user_key)) {
            tracing::debug!("a user has too many connections: this one is closed with 4429");
            context.metrics.count_denial(Denial::Connections);
            self.handle.close(CloseCode::TooMany);
            return Ok(());
        }
        reauthorize::ask_all(context, &self.handle).await;
        drop(permit);
        // Frames that were taken from the queue earlier may still be on their way to the socket.
        self.handle.written().await;
        let expires_ms = expires_at.map(|at| remaining(at).as_millis() as u64);
        self.answer(v1::authenticated(id, expires_ms));
        tracing::debug!("a client authenticated");
        Ok(())
    }

    /// Asks the application whose token this is.
    async fn user_of(
        &self,
        tokens: &Tokens,
        Token(token): &Token,
    ) -> Result<Authenticated, Refusal> {
        let context = &*self.context;
        let call = user_code::call_async(async { (tokens.authenticate)(token.clone()).await });
        let refusal = match timeout(context.limits.authorize_timeout, call).await {
            Ok(Ok(Ok(authenticated))) => return Ok(authenticated),
            Ok(Ok(Err(error))) => match database_error(&error) {
                Some(error) => {
                    tracing::error!(
                        error = error as &dyn std::error::Error,
                        "the user of a token could not be read: the client receives error 500"
                    );
                    internal()
                }
                None => {
                    tracing::debug!("a token was not accepted: error 401");
                    Refusal::new(ErrorCode::InvalidToken, "the token is not valid")
                }
            },
            // Without the text of the panic, which may contain the token.
            Ok(Err(_)) => {
                context.metrics.panics.increment(1);
                tracing::error!("authenticate panicked: the client receives error 500");
                internal()
            }
            Err(_) => {
                tracing::error!(
                    "authenticate exceeded authorize_timeout: the client receives error 503"
                );
                check_unavailable()
            }
        };
        Err(self.deny(refusal))
    }

    /// Prepares a user for the session. Also returns the scope of the session with this user, and
    /// the user's key.
    ///
    /// # Errors
    /// The token has expired, or the user belongs to another scope.
    fn new_user(
        &self,
        tokens: &Tokens,
        user: Identity,
        expires_at: Option<SystemTime>,
    ) -> Result<(Option<Scope>, Option<String>, NewUser), Refusal> {
        let lifetime = expires_at.map(remaining);
        if lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            tracing::debug!("a token has expired: error 401");
            let message = "the token has expired";
            return Err(self.deny(Refusal::new(ErrorCode::InvalidToken, message)));
        }
        let (scope, user_key, is_same) = self.describe(tokens, &user)?;
        if self.scope.get().is_some_and(|current| *current != scope) {
            tracing::debug!("a token belongs to another scope than its connection: error 403");
            return Err(self.deny(Refusal::new(
                ErrorCode::Forbidden,
                "this connection belongs to another tenant: open another one",
            )));
        }
        let lifetime = lifetime.map_or(Lifetime::Unlimited, |remaining| Lifetime::Credentials {
            remaining,
            by_message: true,
        });
        let new = NewUser {
            user,
            is_same,
            lifetime,
        };
        Ok((scope, user_key, new))
    }

    /// Returns the scope of the session with this user, the user's key, and whether the user equals
    /// the current one.
    fn describe(
        &self,
        tokens: &Tokens,
        user: &Identity,
    ) -> Result<(Option<Scope>, Option<String>, bool), Refusal> {
        let users = &self.context.users;
        let current = self.handle.rights().map(|rights| rights.user);
        let described = user_code::call(|| {
            let is_same = current.is_some_and(|current| (tokens.is_same)(&current, user));
            (users.scope_of(user), users.key_of(user), is_same)
        });
        let (scope, key, is_same) = described.map_err(|panicked| {
            self.context.metrics.panics.increment(1);
            tracing::error!(
                %panicked,
                "a function about the user of a token panicked (scope, user_key or PartialEq): the client receives error 500"
            );
            self.deny(internal())
        })?;
        // The transport's scope takes precedence if the user has none.
        let own = self.scope().filter(|_| self.has_own_scope);
        Ok((scope.or_else(|| own.cloned()), key, is_same))
    }

    /// Counts a token against the rate limit.
    fn count_auth(&self) -> Result<(), Refusal> {
        let rate = self.context.limits.auth_rate;
        let now = Instant::now();
        let mut conversation = self.conversation();
        let new = || Box::new(TokenBucket::new(rate, now));
        if conversation.auths.get_or_insert_with(new).take(now) {
            return Ok(());
        }
        self.context.metrics.count_denial(Denial::Rate);
        let per_second = rate.per_second;
        Err(Refusal::new(
            ErrorCode::TooManyAuths,
            format!("too many tokens: at most {per_second} a second are allowed"),
        ))
    }

    fn deny(&self, refusal: Refusal) -> Refusal {
        self.context.metrics.count_denial(Denial::SignIn);
        refusal
    }
}

/// Returns the failure of the database that caused an error. A missing row is none: the token is
/// wrong.
fn database_error(error: &AuthError) -> Option<&(dyn std::error::Error + 'static)> {
    let mut next = Some(&**error as &(dyn std::error::Error + 'static));
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(DbErr::RecordNotFound(_)) => return None,
            Some(_) => return Some(error),
            // Errors such as those of anyhow hide the type of the outermost error.
            None if error.is::<RuntimeErr>() => return Some(error),
            None => next = error.source(),
        }
    }
    None
}
