//! Helpers that the tests share.

mod alone;
mod app;
mod chromium;
mod client;
mod dialect;
mod each_engine;
mod engine;
mod gate_log;
mod log;
mod port;
mod process;
mod proxy;
mod raw;
mod redis;
mod scripted_log;
pub mod secured;
mod servers;
mod shared_log;
mod template;

pub(crate) use self::each_engine::on_each_engine;
pub use self::{
    alone::alone,
    app::{App, Node, database, database_of, task},
    chromium::Chromium,
    client::{Client, assert_error},
    dialect::Dialect,
    engine::{Engine, TestDatabase},
    gate_log::GateLog,
    log::Log,
    port::free_port,
    process::{Example, read},
    proxy::Proxy,
    raw::{raw, raw_offering, raw_on},
    redis::Redis,
    scripted_log::ScriptedLog,
    servers::{LogKind, Servers},
    shared_log::SharedLog,
    template::Template,
};

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// How long a test waits for an expected event before it fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Interval at which a condition is polled that cannot be awaited.
pub const TICK: Duration = Duration::from_millis(5);

/// Waits for a future that must complete, and panics if it takes longer than [`DEADLINE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {DEADLINE:?}"),
    }
}

/// Polls a future up to `polls` times, then drops it. A server does that to a request whose client
/// hangs up.
pub async fn given_up_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
