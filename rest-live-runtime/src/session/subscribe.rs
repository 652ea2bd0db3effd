//! Subscribes a session to a group.

use std::sync::Arc;

use tokio::{
    task::{consume_budget, yield_now},
    time::timeout,
};

use super::{
    Session, SessionContext, authorize,
    authorize_limiter::AuthorizePermit,
    refusal::{id_in_use, internal, unavailable},
    target::ResolvedTarget,
};
use crate::{
    data::{event::Row, serializer_set::SerializerSet},
    hub::new_subscription::{NewSubscription, SubscribeError},
    metrics::Denial,
    model::permission::Identity,
    protocol::{
        code::{ErrorCode, ResetReason},
        dialect::Dialect,
        id::Id,
        refusal::Refusal,
    },
};

/// Maximum number of times that `authorize` is called for one request because rights changed
/// meanwhile.
const MAX_AUTHORIZE_ATTEMPTS: usize = 8;

/// Maximum number of times that a replay is prepared because the group changed meanwhile.
const MAX_REPLAY_ATTEMPTS: usize = 100;

/// A subscription that a client requests.
pub(super) struct SubscribeRequest<'r> {
    pub(super) dialect: Dialect,
    pub(super) id: Option<&'r Id>,
    /// The user of the session. It stays the same during the request.
    pub(super) user: Identity,
    pub(super) target: ResolvedTarget<'r>,
    /// The client's last cursor, after which it wants to continue.
    pub(super) since: Option<String>,
    /// Whether the row must exist and be visible.
    pub(super) must_exist: bool,
}

impl Session {
    pub(super) async fn subscribe(&self, request: SubscribeRequest<'_>) -> Result<(), Refusal> {
        let context = &*self.context;
        let (model, group_key) = (&*request.target.model.label, &*request.target.entry.label);
        let mut is_at_present = request.since.is_none();
        for _ in 0..MAX_AUTHORIZE_ATTEMPTS {
            let permit = self.authorize_permit(&request).await?;
            if permit.as_ref().is_some_and(|permit| permit.has_waited) && self.handle.is_gone() {
                return Ok(());
            }
            let rights_version = self.handle.rights_version();
            let (entry, group) = (request.target.entry, &request.target.group);
            let granted = authorize(context, entry, group, &request.user).await?;
            if request.must_exist {
                self.require_row(&request, granted).await?;
            }
            drop(permit);
            if !is_at_present {
                self.reach_present().await?;
                is_at_present = true;
            }
            let span = tracing::debug_span!(parent: &self.span, "subscription", model, group_key);
            let mut new = NewSubscription {
                group: request.target.group.clone(),
                group_names: Arc::clone(&request.target.entry.names),
                model: Arc::clone(&request.target.model.label),
                id: request.id.cloned(),
                dialect: request.dialect,
                granted,
                rights_version,
                start: self.start_point(&request, granted).await?,
                span: span.clone(),
            };
            match self.apply(&request, &mut new).await? {
                Ok(()) => {
                    self.conversation().dialect = Some(request.dialect);
                    span.in_scope(|| tracing::debug!("a client subscribed"));
                    return Ok(());
                }
                // If the log began a new epoch, the dispatcher must process that first.
                Err(
                    SubscribeError::Outdated
                    | SubscribeError::Advanced(_)
                    | SubscribeError::UnitOpen,
                ) => yield_now().await,
                Err(SubscribeError::Gone) => return Ok(()),
                Err(SubscribeError::IdInUse) => return Err(id_in_use()),
                Err(SubscribeError::TooMany) => {
                    context.metrics.count_denial(Denial::Rate);
                    let limit = context.limits.max_subscriptions;
                    return Err(Refusal::new(
                        ErrorCode::TooManySubscriptions,
                        format!("a connection can have at most {limit} subscriptions"),
                    ));
                }
            }
        }
        Err(unavailable())
    }

    /// Waits until the request may call the application's functions or query its database. Returns
    /// `None` if it does neither.
    async fn authorize_permit(
        &self,
        request: &SubscribeRequest<'_>,
    ) -> Result<Option<AuthorizePermit<'_>>, Refusal> {
        if !request.must_exist && !request.target.entry.has_authorize() {
            return Ok(None);
        }
        let context = &*self.context;
        let wait = context.limits.authorize_wait_timeout;
        let permit = context.authorize_limiter.admit_request(wait).await;
        permit.map(Some).map_err(|_| {
            if context.authorize_limiter.is_first_timeout() {
                tracing::warn!(
                    "subscriptions waited for authorize longer than authorize_wait_timeout: they are refused with error 503. If the database can take more calls at once, raise Limits::max_concurrent_authorize. Further refusals are logged at level debug"
                );
            } else {
                tracing::debug!(
                    "a subscription waited for authorize longer than authorize_wait_timeout"
                );
            }
            context.metrics.count_denial(Denial::Authorize);
            unavailable()
        })
    }

    /// Applies a subscription. Prepares its replay again while the group changes.
    async fn apply(
        &self,
        request: &SubscribeRequest<'_>,
        new: &mut NewSubscription,
    ) -> Result<Result<(), SubscribeError>, Refusal> {
        let mut replays = 0;
        let mut published = self.context.published.clone();
        loop {
            published.mark_unchanged();
            let batch_id = match self.handle.subscribe(new) {
                Err(SubscribeError::Advanced(batch_id)) => batch_id,
                Err(SubscribeError::UnitOpen) if replays < MAX_REPLAY_ATTEMPTS => {
                    replays += 1;
                    // The dispatcher waits for no client, so the unit ends soon. An error means
                    // that the dispatcher has ended, and closes the connection.
                    published.changed().await.map_err(|_| unavailable())?;
                    continue;
                }
                Err(SubscribeError::UnitOpen) => {
                    new.start = self.reset(ResetReason::TooFar);
                    continue;
                }
                applied => return Ok(applied),
            };
            if self.is_complete_up_to(new, batch_id) {
                // The dispatcher may begin batches of other groups faster than this loop.
                consume_budget().await;
                continue;
            }
            yield_now().await;
            replays += 1;
            new.start = if replays < MAX_REPLAY_ATTEMPTS {
                self.start_point(request, new.granted).await?
            } else {
                // The group changes more often than a replay can be prepared.
                self.reset(ResetReason::TooFar)
            };
        }
    }

    /// Requires that the row of the group exists, and that the user may see it.
    ///
    /// # Errors
    /// The same refusal in both cases: that a hidden row exists is also a secret.
    async fn require_row(
        &self,
        request: &SubscribeRequest<'_>,
        granted: SerializerSet,
    ) -> Result<(), Refusal> {
        let SessionContext {
            reads,
            default_schema,
            limits,
            ..
        } = &*self.context;
        let (model, group) = (&*request.target.model.label, &request.target.group);
        let (table, scope) = (&request.target.model.table, group.scope.as_ref());
        if scope.is_none()
            && !reads.has_own_connections()
            && !default_schema.finds(request.target.model)
        {
            tracing::error!(
                model,
                "the row of a subscription cannot be read, because a statement has switched the search_path, role or database of a pooled connection: the request is refused with error 500"
            );
            return Err(internal());
        }
        let read = reads.read(&request.user, table, scope, &group.value);
        let row = match timeout(limits.authorize_timeout, read).await {
            Ok(Ok(row)) => row,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    model,
                    error,
                    "the row of a subscription could not be read: the request is refused with error 500"
                );
                return Err(internal());
            }
            Err(_) => return Err(unavailable()),
        };
        let is_visible = match row {
            Some(row) => self.is_visible(&row, request, granted),
            None => false,
        };
        if is_visible {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::UnknownRow,
                format!("there is no such row of {model}"),
            ))
        }
    }

    /// Returns whether a granted serializer shows the row of a group to the user. A panic hides it.
    fn is_visible(
        &self,
        row: &Row,
        request: &SubscribeRequest<'_>,
        granted: SerializerSet,
    ) -> bool {
        let entry = request.target.entry;
        let panicked = match entry.filter_row(row) {
            Ok(passed) => match entry.permitted_serializer(&request.user, granted.and(passed), row)
            {
                Ok(serializer) => return serializer.is_some(),
                Err(panic) => format!("check_permission: {panic}"),
            },
            Err(panic) => panic.to_string(),
        };
        tracing::error!(
            model = &*request.target.model.label,
            panicked,
            "the application's code panicked: the subscription is refused, as if the row did not exist"
        );
        self.context.metrics.panics.increment(1);
        false
    }
}
