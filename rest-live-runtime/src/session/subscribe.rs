//! How a session carries out what its client asks for.

use std::{any::TypeId, sync::Arc, time::Instant};

use serde_json::{Map, Value};
use tokio::{task::yield_now, time::timeout};

use super::{Session, Shared};
use crate::{
    data::{
        group_id::GroupId,
        key::{KeyValue, PK},
        serializer_set::SerializerSet,
    },
    hub::new_subscription::{NewSubscription, SubscribeError},
    metrics::Denial,
    model::{
        permission::{Authorization, Identity},
        registry::{GroupEntry, ModelEntry},
    },
    protocol::{
        code::{ErrorCode, ResetReason},
        dialect::Dialect,
        id::Id,
        refusal::{Refusal, quoted},
        request::{GroupSelector, Request, Target},
        v1,
    },
    user_code::UserPanic,
};

/// Maximum number of times that `authorize` is asked again because rights changed meanwhile.
const MAX_QUESTIONS: usize = 8;

/// Maximum number of times that a replay is prepared because the group changes meanwhile.
const MAX_REPLAYS: usize = 100;

impl Session {
    pub(super) async fn carry_out(
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
            Request::UnsubscribeFrom(target) => {
                let (_, _, group) = self.find(target)?;
                self.handle.unsubscribe(&group);
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
                if let Some(id) = id
                    && dialect == Dialect::V1
                    && self.handle.has_id(id)
                {
                    return Err(id_in_use());
                }
                if since.is_some() {
                    self.count_resume()?;
                }
                let (model, entry, group) = self.find(target)?;
                let request = SubscribeRequest {
                    dialect,
                    id,
                    model,
                    entry,
                    group,
                    since,
                    must_exist,
                };
                self.subscribe(request).await
            }
        }
    }

    fn count_resume(&self) -> Result<(), Refusal> {
        if self.conversation().resumes.take(Instant::now()) {
            return Ok(());
        }
        self.shared.metrics.count_denial(Denial::Rate);
        let per_second = self.shared.limits.resume_rate.per_second;
        Err(Refusal::new(
            ErrorCode::TooManyResumes,
            format!("at most {per_second} subscriptions with `since` a second"),
        ))
    }

    /// Finds the group that a request names.
    fn find(&self, target: Target) -> Result<(&ModelEntry, &GroupEntry, GroupId), Refusal> {
        let Some(model) = self.shared.registry.model_by_label(&target.model) else {
            let (label, labels) = (quoted(&target.model), self.shared.registry.labels());
            return Err(Refusal::new(
                ErrorCode::UnknownModel,
                format!("there is no model {label}, but {labels}"),
            ));
        };
        let (entry, value) = match target.group {
            GroupSelector::Key(key, value) => (by_key(model, &key)?, value),
            GroupSelector::AmongKwargs(kwargs) => among_kwargs(model, kwargs)?,
        };
        let value = entry.kind.read(&value).map_err(|expected| {
            let null = match value.is_null() {
                true => "null is in no group: ",
                false => "",
            };
            let (key, label) = (entry.key, &model.label);
            Refusal::new(
                ErrorCode::BadValue,
                format!("{null}`{key}` of {label} must be {expected}"),
            )
        })?;
        let most = self.shared.limits.max_key_bytes;
        if value.text_bytes() > most {
            let (key, label) = (entry.key, &model.label);
            return Err(Refusal::new(
                ErrorCode::BadValue,
                format!("`{key}` of {label} has at most {most} bytes"),
            ));
        }
        Ok((model, entry, entry.group_id(value)))
    }

    async fn subscribe(&self, request: SubscribeRequest<'_>) -> Result<(), Refusal> {
        let shared = &*self.shared;
        let (model, group_key) = (&*request.model.label, request.entry.key);
        for _ in 0..MAX_QUESTIONS {
            let rights_version = self.handle.rights_version();
            let value = &request.group.value;
            let granted = authorize(shared, request.entry, value, &self.user).await?;
            if request.must_exist {
                self.require_row(&request, granted).await?;
            }
            let span = tracing::debug_span!(parent: &self.span, "subscription", model, group_key);
            let mut new = NewSubscription {
                group: request.group.clone(),
                group_key,
                model: Arc::clone(&request.model.label),
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
                    span.in_scope(|| tracing::debug!("subscribed"));
                    return Ok(());
                }
                // If the log began a new epoch, the dispatcher must see it first.
                Err(SubscribeError::Outdated | SubscribeError::Advanced(_)) => yield_now().await,
                Err(SubscribeError::Gone) => return Ok(()),
                Err(SubscribeError::IdInUse) => return Err(id_in_use()),
                Err(SubscribeError::TooMany) => {
                    shared.metrics.count_denial(Denial::Rate);
                    let limit = shared.limits.max_subscriptions;
                    return Err(Refusal::new(
                        ErrorCode::TooManySubscriptions,
                        format!("a connection has at most {limit} subscriptions"),
                    ));
                }
            }
        }
        Err(unavailable())
    }

    /// Applies a subscription. Prepares its replay again as often as the group changes meanwhile.
    async fn apply(
        &self,
        request: &SubscribeRequest<'_>,
        new: &mut NewSubscription,
    ) -> Result<Result<(), SubscribeError>, Refusal> {
        let mut replays = 0;
        loop {
            let now = match self.handle.subscribe(new) {
                Err(SubscribeError::Advanced(now)) => now,
                applied => return Ok(applied),
            };
            if self.is_complete_up_to(new, now) {
                continue;
            }
            yield_now().await;
            replays += 1;
            new.start = if replays < MAX_REPLAYS {
                self.start_point(request, new.granted).await?
            } else {
                // The group changes more often than a replay can be prepared.
                self.reset(ResetReason::TooFar)
            };
        }
    }

    /// Fails unless there is such a row, and the user may see it.
    async fn require_row(
        &self,
        request: &SubscribeRequest<'_>,
        granted: SerializerSet,
    ) -> Result<(), Refusal> {
        let Shared { db, limits, .. } = &*self.shared;
        let find = request.model.table.read(db, &request.group.value);
        let row = match timeout(limits.authorize_timeout, find).await {
            Ok(Ok(row)) => row,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a row could not be looked for");
                return Err(internal());
            }
            Err(_) => return Err(unavailable()),
        };
        let visible = |row| request.entry.serializer_for(&self.user, granted, row);
        let visible = row.as_ref().map(visible);
        if let Some(Err(panicked)) = &visible {
            let model = &*request.model.label;
            tracing::error!(
                model,
                %panicked,
                "check_permission panicked: the row counts as not visible"
            );
            self.shared.metrics.panics.increment(1);
        }
        match visible {
            Some(Ok(Some(_))) => Ok(()),
            // Not told apart, for that there is a row one may not see is a secret, too.
            Some(Ok(None) | Err(_)) | None => Err(Refusal::new(
                ErrorCode::UnknownRow,
                format!("there is no such row of {}", request.model.label),
            )),
        }
    }
}

/// A subscription that a client wants.
pub(super) struct SubscribeRequest<'r> {
    pub(super) dialect: Dialect,
    pub(super) id: Option<&'r Id>,
    pub(super) model: &'r ModelEntry,
    pub(super) entry: &'r GroupEntry,
    pub(super) group: GroupId,
    pub(super) since: Option<String>,
    must_exist: bool,
}

/// Asks which serializers of a group a user may be shown.
///
/// # Errors
/// 403 where it is none, and why nobody knows.
pub(crate) async fn authorize(
    shared: &Shared,
    entry: &GroupEntry,
    value: &KeyValue,
    user: &Identity,
) -> Result<SerializerSet, Refusal> {
    let mut granted = SerializerSet::NONE;
    // Serializers may have the same function, which is asked once.
    let mut answered: Vec<(TypeId, bool)> = Vec::new();
    for (place, shown) in entry.serializers.iter().enumerate() {
        let may = match &shown.authorize {
            None => true,
            Some(authorize) => {
                let known = answered.iter().find(|(f, _)| *f == authorize.function);
                match known {
                    Some((_, may)) => *may,
                    None => {
                        let name = &*shown.serializer.name;
                        let may = ask(shared, authorize, name, value, user).await?;
                        answered.push((authorize.function, may));
                        may
                    }
                }
            }
        };
        if may {
            granted = granted.with(place);
        }
    }
    if granted == SerializerSet::NONE {
        shared.metrics.count_denial(Denial::Authorize);
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "you may not subscribe to this",
        ));
    }
    Ok(granted)
}

/// Asks one `authorize`, of the serializer with a name.
async fn ask(
    shared: &Shared,
    authorize: &Authorization,
    serializer: &str,
    value: &KeyValue,
    user: &Identity,
) -> Result<bool, Refusal> {
    let ask = authorize.decide(user, value, &shared.db);
    let refusal = match timeout(shared.limits.authorize_timeout, ask).await {
        Ok(Ok(may)) => return Ok(may),
        Ok(Err(error)) => {
            if error.is::<UserPanic>() {
                shared.metrics.panics.increment(1);
            }
            tracing::error!(serializer, error = &*error, "authorize failed");
            internal()
        }
        Err(_) => {
            tracing::error!(serializer, "authorize took too long");
            unavailable()
        }
    };
    shared.metrics.count_denial(Denial::Authorize);
    Err(refusal)
}

fn by_key<'m>(model: &'m ModelEntry, key: &str) -> Result<&'m GroupEntry, Refusal> {
    model.group(key).ok_or_else(|| {
        let (key, label, keys) = (quoted(key), &model.label, model.key_names());
        Refusal::new(
            ErrorCode::UnknownGroupKey,
            format!("{label} is not subscribable by {key}, but by {keys}"),
        )
    })
}

/// Finds the one group key among the arguments of a view. Others may be there: a nested route has
/// the keys of what it is nested in. The primary key is `retrieve`'s.
fn among_kwargs(
    model: &ModelEntry,
    kwargs: Map<String, Value>,
) -> Result<(&GroupEntry, Value), Refusal> {
    let mut named = kwargs
        .into_iter()
        .filter(|(key, _)| key != PK)
        .filter_map(|(key, value)| Some((model.group(&key)?, value)));
    match (named.next(), named.next()) {
        (Some(named), None) => Ok(named),
        (found, _) => {
            let (found, keys) = (
                if found.is_none() { "none" } else { "several" },
                model.key_names(),
            );
            Err(Refusal::new(
                ErrorCode::UnknownViewKwargs,
                format!(
                    "`view_kwargs` name one group key of {}, which has {keys}: here are {found}",
                    model.label
                ),
            ))
        }
    }
}

fn id_in_use() -> Refusal {
    Refusal::new(
        ErrorCode::IdInUse,
        "a subscription of this connection has this `id` already",
    )
}

fn internal() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the server failed")
}

pub(super) fn unavailable() -> Refusal {
    Refusal::new(
        ErrorCode::Unavailable,
        "subscriptions cannot be taken right now",
    )
}
