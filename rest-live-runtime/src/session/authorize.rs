//! Asks the application which serializers of a group a user may receive.

use std::any::TypeId;

use tokio::time::timeout;

use super::{
    SessionContext,
    refusal::{internal, unavailable},
};
use crate::{
    data::{granted::Granted, key::KeyValue},
    metrics::Denial,
    model::{
        permission::{Authorization, Identity},
        registry::GroupEntry,
    },
    protocol::{code::ErrorCode, refusal::Refusal},
    user_code::Panicked,
};

/// Asks each `authorize` of a group, and returns the serializers that the user may receive.
///
/// # Errors
/// `Forbidden` if there is no such serializer; `Internal` or `Unavailable` if an `authorize` fails
/// or takes too long.
pub(crate) async fn authorize(
    context: &SessionContext,
    entry: &GroupEntry,
    value: &KeyValue,
    user: &Identity,
) -> Result<Granted, Refusal> {
    let mut granted = Granted::NONE;
    // Several serializers may have the same function, which is called once.
    let mut answers: Vec<(TypeId, bool)> = Vec::new();
    for (index, shown) in entry.shown.iter().enumerate() {
        let is_granted = match &shown.authorize {
            None => true,
            Some(authorize) => {
                let known = answers.iter().find(|(f, _)| *f == authorize.function);
                match known {
                    Some((_, is_granted)) => *is_granted,
                    None => {
                        let name = &*shown.serializer.name;
                        let is_granted = ask(context, authorize, name, value, user).await?;
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
    if granted == Granted::NONE {
        context.metrics.denied(Denial::Authorize);
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
    value: &KeyValue,
    user: &Identity,
) -> Result<bool, Refusal> {
    let answer = authorize.ask(user, value, &context.db);
    let refusal = match timeout(context.limits.authorize_timeout, answer).await {
        Ok(Ok(is_granted)) => return Ok(is_granted),
        Ok(Err(error)) => {
            if error.is::<Panicked>() {
                context.metrics.panics.increment(1);
            }
            tracing::error!(
                serializer,
                error = &*error,
                "authorize failed: the subscription is denied"
            );
            internal()
        }
        Err(_) => {
            tracing::error!(
                serializer,
                "authorize exceeded authorize_timeout: the subscription is denied"
            );
            unavailable()
        }
    };
    context.metrics.denied(Denial::Authorize);
    Err(refusal)
}
