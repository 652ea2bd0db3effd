//! Asks the application which serializers of a group a user may receive.

use std::any::TypeId;

use tokio::time::timeout;

use super::{
    context::SessionContext,
    refusal::{internal, unavailable},
};
use crate::{
    data::{group_id::GroupId, serializer_set::SerializerSet},
    metrics::Denial,
    model::{
        permission::{Authorization, Identity},
        registry::GroupEntry,
    },
    protocol::{code::ErrorCode, refusal::Refusal},
    user_code::UserPanic,
};

/// Asks each `authorize` of a group, and returns the serializers that the user may receive.
///
/// # Errors
/// `Forbidden` if there is no such serializer; `Internal` or `Unavailable` if an `authorize` fails
/// or takes too long.
pub(crate) async fn authorize(
    context: &SessionContext,
    group: &GroupEntry,
    group_id: &GroupId,
    user: &Identity,
) -> Result<SerializerSet, Refusal> {
    let mut granted = SerializerSet::NONE;
    // Several serializers may have the same function, which is called once.
    let mut answers: Vec<(TypeId, bool)> = Vec::new();
    for (index, entry) in group.serializers.iter().enumerate() {
        let is_granted = match &entry.authorize {
            None => true,
            Some(authorize) => {
                let known = answers.iter().find(|(f, _)| *f == authorize.function);
                match known {
                    Some((_, is_granted)) => *is_granted,
                    None => {
                        let name = &*entry.serializer.name;
                        let is_granted = ask(context, authorize, name, group_id, user).await?;
                        answers.push((authorize.function, is_granted));
                        is_granted
                    }
                }
            }
        };
        if is_granted {
            granted = granted.with(index);
        }
    }
    if granted == SerializerSet::NONE {
        context.metrics.count_denial(Denial::Authorize);
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "you may not subscribe to this group",
        ));
    }
    Ok(granted)
}

/// Calls the `authorize` of one serializer.
async fn ask(
    context: &SessionContext,
    authorize: &Authorization,
    serializer: &str,
    GroupId { value, scope, .. }: &GroupId,
    user: &Identity,
) -> Result<bool, Refusal> {
    let answer = async {
        let db = context.reads.db(user, scope.as_ref())?;
        authorize.decide(user, value, &db).await
    };
    let refusal = match timeout(context.limits.authorize_timeout, answer).await {
        Ok(Ok(is_granted)) => return Ok(is_granted),
        Ok(Err(error)) => {
            if error.is::<UserPanic>() {
                context.metrics.panics.increment(1);
            }
            tracing::error!(
                serializer,
                error = &*error,
                "authorize failed: the subscription is refused or ended with error 500"
            );
            internal()
        }
        Err(_) => {
            tracing::error!(
                serializer,
                "authorize exceeded authorize_timeout: the subscription is refused or ended with error 503"
            );
            unavailable()
        }
    };
    context.metrics.count_denial(Denial::Authorize);
    Err(refusal)
}
