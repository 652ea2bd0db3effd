//! Executes the requests of a client.

use std::time::Instant;

use super::{
    Session, SessionContext,
    refusal::{id_in_use, unauthenticated},
    subscribe::SubscribeRequest,
    target::ResolvedTarget,
};
use crate::{
    metrics::Denial,
    model::permission::Identity,
    protocol::{
        code::ErrorCode,
        dialect::Dialect,
        id::Id,
        refusal::Refusal,
        request::{Request, Target},
        v1,
    },
};

impl Session {
    /// Executes a request, and queues its answer unless it is refused.
    pub(super) async fn execute(
        &self,
        dialect: Dialect,
        id: Option<&Id>,
        request: Request,
    ) -> Result<(), Refusal> {
        match request {
            Request::Ignored => Ok(()),
            Request::Ping => {
                self.answer(v1::pong(id));
                Ok(())
            }
            Request::Sync { cursor } => match id {
                Some(id) => self.sync(id, cursor).await,
                // The parser refuses it.
                None => Ok(()),
            },
            Request::Auth(token) => self.authenticate(id, token).await,
            Request::UnsubscribeFrom(target) => {
                self.current_user()?;
                let target = self.resolve(dialect, target)?;
                self.handle.unsubscribe(&target.group);
                Ok(())
            }
            Request::Unsubscribe => {
                let answer = dialect.unsubscribed(id);
                match id {
                    Some(id) if self.handle.unsubscribe_id(id, answer) => Ok(()),
                    _ => Err(Refusal::new(
                        ErrorCode::UnknownId,
                        "no subscription of this connection has this `id`",
                    )),
                }
            }
            Request::Subscribe {
                target,
                since,
                must_exist,
            } => {
                // First: a client without a user must not learn what there is.
                let user = self.current_user()?;
                if let Some(id) = id
                    && dialect == Dialect::V1
                    && self.handle.has_id(id)
                {
                    return Err(id_in_use());
                }
                if since.is_some() {
                    self.count_resume()?;
                }
                let request = SubscribeRequest {
                    dialect,
                    id,
                    user,
                    target: self.resolve(dialect, target)?,
                    since,
                    must_exist,
                };
                self.subscribe(request).await
            }
        }
    }

    /// Counts a request with `since` against the rate limit.
    fn count_resume(&self) -> Result<(), Refusal> {
        if self.conversation().resumes.take(Instant::now()) {
            return Ok(());
        }
        self.context.metrics.count_denial(Denial::Rate);
        let per_second = self.context.limits.resume_rate.per_second;
        Err(Refusal::new(
            ErrorCode::TooManyResumes,
            format!("too many requests with `since`: at most {per_second} a second are allowed"),
        ))
    }

    /// Returns the user of the session.
    ///
    /// # Errors
    /// The session has none yet.
    fn current_user(&self) -> Result<Identity, Refusal> {
        match self.handle.rights() {
            Some(rights) => Ok(rights.user),
            None => {
                self.context.metrics.count_denial(Denial::SignIn);
                Err(unauthenticated())
            }
        }
    }

    fn resolve(&self, dialect: Dialect, target: Target) -> Result<ResolvedTarget<'_>, Refusal> {
        let SessionContext {
            registry, limits, ..
        } = &*self.context;
        ResolvedTarget::new(registry, limits, self.scope(), dialect, target)
    }
}
