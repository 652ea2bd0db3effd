//! Calls of the application's code, which may panic.
//!
//! Permissions, serializers, column types and event logs come from the application. A panic in one
//! of them must affect only the call itself, never the task that makes it. Tasks that must survive
//! a panic also run their own work through this module.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt;

/// The application's code panicked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it panicked: {message}")]
pub(crate) struct UserPanic {
    message: String,
}

/// Calls a function and catches its panic.
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Result<T, UserPanic> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|payload| UserPanic::from_payload(&*payload))
}

/// Awaits a future and catches its panic.
///
/// # Cancel safety
/// The same as that of the future, which is dropped with the call.
pub(crate) async fn call_async<F: Future>(future: F) -> Result<F::Output, UserPanic> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(|payload| UserPanic::from_payload(&*payload))
}

impl UserPanic {
    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self {
            message: text.unwrap_or("no message").to_owned(),
        }
    }
}
