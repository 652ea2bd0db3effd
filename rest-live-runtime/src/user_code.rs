//! Calls of the application's code, which may panic.
//!
//! Permissions, serializers, column types and event logs come from the application. A panic in one of them
//! must cost only what it was asked about. Tasks that must outlive a panic run here, too.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt;

/// A call panicked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it panicked: {message}")]
pub(crate) struct Panicked {
    message: String,
}

/// Calls a function, and catches its panic.
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|panic| Panicked::from_payload(&*panic))
}

/// Awaits a future, and catches its panic.
///
/// # Cancel safety
/// As the future's: it is dropped with the call.
pub(crate) async fn call_async<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    outcome.map_err(|panic| Panicked::from_payload(&*panic))
}

impl Panicked {
    fn from_payload(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self {
            message: text.unwrap_or("no message").to_owned(),
        }
    }
}
